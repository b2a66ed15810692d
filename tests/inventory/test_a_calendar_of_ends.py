"""The calendar, read back by the grammar of RFC 5545: an event for each end, which a later import moves."""

import re
from datetime import timedelta
from itertools import pairwise

import pytest

from kubevouch.evidence.certificates import CertificateUse, FoundCertificate
from kubevouch.inventory.calendar import calendar_of
from tests.inventory.found import AT, DAY, YEAR, at_node, rows

CONTENT_LINE = re.compile(r"([A-Z-]+)((?:;[A-Z-]+=[^;:,\"]+)*):(.*)", re.DOTALL)
TEXT = re.compile(r"(?:[^\\;,\x00-\x1f\x7f]|\\[\\;,nN])*")
MOMENT = re.compile(r"\d{8}T\d{6}Z")
ONCE = {"UID", "DTSTAMP", "SEQUENCE", "DTSTART", "SUMMARY", "DESCRIPTION", "TRANSP"}
Properties = dict[str, str]


def _unfolded(text: str) -> list[str]:
    """The content lines. Raises what RFC 5545, 3.1 forbids."""
    assert text.endswith("\r\n")
    lines = text.removesuffix("\r\n").split("\r\n")
    assert not any("\r" in line or "\n" in line for line in lines)
    for line in lines:
        assert 0 < len(line.encode()) <= 75, line
    whole: list[str] = []
    for line in lines:
        if line.startswith(" "):
            whole[-1] += line[1:]
        else:
            whole.append(line)
    return whole


def _events(*found: FoundCertificate, at: timedelta = timedelta()) -> list[Properties]:
    """Each event, with its alarm's properties behind "VALARM ". Every rule of the grammar is asserted."""
    lines = [CONTENT_LINE.fullmatch(each) for each in _unfolded(calendar_of(rows(*found), AT + at))]
    assert all(lines)
    stack: list[str] = []
    events: list[Properties] = []
    for line in lines:
        assert line
        name, value = line[1], line[3]
        if name == "BEGIN":
            stack.append(value)
            assert stack in (
                ["VCALENDAR"],
                ["VCALENDAR", "VEVENT"],
                ["VCALENDAR", "VEVENT", "VALARM"],
            )
            if value == "VEVENT":
                events.append({})
        elif name == "END":
            assert stack.pop() == value
        elif stack[1:]:
            key = f"VALARM {name}" if stack[-1] == "VALARM" else name
            assert key not in events[-1]
            events[-1][key] = value
    assert stack == []
    for event in events:
        assert set(event) - {"VALARM ACTION", "VALARM TRIGGER", "VALARM DESCRIPTION"} == ONCE
        assert MOMENT.fullmatch(event["DTSTAMP"])
        assert MOMENT.fullmatch(event["DTSTART"])
        assert event["VALARM ACTION"] == "DISPLAY"
        assert re.fullmatch(r"-P(\d+D|T\d+M)", event["VALARM TRIGGER"])
        for key in ("SUMMARY", "DESCRIPTION", "UID", "VALARM DESCRIPTION"):
            assert TEXT.fullmatch(event[key]), event[key]
    assert len({event["UID"] for event in events}) == len(events)
    return events


def test_the_calendar_says_what_it_is() -> None:
    lines = _unfolded(calendar_of((), AT))
    assert lines[0] == "BEGIN:VCALENDAR"
    assert {"VERSION:2.0", "CALSCALE:GREGORIAN"} < set(lines)
    assert [line for line in lines if line.startswith("PRODID:")]


def test_an_end_is_an_event_with_what_stops() -> None:
    (event,) = _events(at_node("worker-1"))
    assert event["DTSTART"] == "20260909T000000Z"
    assert event["SUMMARY"] == "kubelet-serving of worker-1 ends"
    assert "kubectl top" in event["DESCRIPTION"]
    assert event["VALARM TRIGGER"] == "-P30D"


def test_what_cannot_be_read_has_no_event() -> None:
    assert _events(at_node("worker-1", None), at_node("cp", None, missing=True)) == []


@pytest.mark.parametrize(
    ("life", "trigger"),
    [(10 * YEAR, "-P30D"), (180 * DAY, "-P30D"), (10 * DAY, "-PT1152M"), (DAY / 24, "-PT4M")],
)
def test_a_short_life_has_its_alarm_near_its_end(life: timedelta, trigger: str) -> None:
    (event,) = _events(at_node("n", DAY / 48, life=life))
    assert event["VALARM TRIGGER"] == trigger


def test_a_later_import_moves_the_event_of_a_renewed_certificate() -> None:
    (before,) = _events(at_node("n", DAY))
    (after,) = _events(at_node("n", YEAR), at=timedelta(hours=1))
    assert before["UID"] == after["UID"]
    assert before["DTSTART"] != after["DTSTART"]
    assert int(before["SEQUENCE"]) < int(after["SEQUENCE"]) < 2**31


def test_another_use_node_or_place_is_another_event() -> None:
    found = [
        at_node("a"),
        at_node("b"),
        at_node("a", where="elsewhere"),
        at_node("a", use=CertificateUse.KUBELET_CLIENT),
        at_node("a"),
    ]
    assert len(_events(*found)) == 5


@pytest.mark.parametrize(
    "place",
    [
        '/a;b,c\\d\ne:f"g',
        "/" + "x" * 500,
        "/" + "ü" * 200 + "\U0001f512" * 40,
        "/BEGIN:VEVENT\r\nUID:x",
    ],
)
def test_a_hostile_place_stays_inside_of_its_value(place: str) -> None:
    found = [at_node("", where=place.replace("\r", "")), at_node("n")]
    assert len(_events(*found)) == 2


def test_lines_are_as_long_as_they_may_be() -> None:
    lines = calendar_of(rows(at_node("", where="/" + "x" * 300)), AT).split("\r\n")
    pairs = [(a, b) for a, b in pairwise(lines) if b.startswith(" ")]
    assert pairs
    assert {len(a.encode()) for a, _ in pairs} == {75}
