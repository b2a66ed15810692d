"""Log lines as klog writes them: read by what reads metrics-server's, and as recorded of it."""

import json
import re
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from kubevouch.evidence.scrape_log import scrape_failures
from kubevouch.serve.logs import Log, LogFormat
from kubevouch.x509.gotext import quote
from tests.support.clocks import WoundClock
from tests.support.stage import RECORDED

AT = datetime(2026, 11, 24, 23, 2, 0, 664874, tzinfo=UTC)


def logged(form: LogFormat = LogFormat.TEXT, **values: str | float | bool) -> str:
    lines: list[str] = []
    log = Log(lines.append, WoundClock(AT), form=form, verbosity=2)
    log.error(str(values.pop("err")), "Failed to scrape node", **values)
    return "".join(lines)


def test_a_failed_scrape_is_logged_as_metrics_server_logs_it() -> None:
    recorded = (RECORDED / "expired.log").read_text(encoding="utf-8").splitlines()
    lines = [line for line in recorded if "Failed to scrape node" in line]
    assert len(lines) > 3
    for line in lines:
        found = re.search(r'err="(.*)" node="(.*)"$', line)
        assert found
        text = found[1].replace('\\"', '"')
        ours = logged(err=text, node=found[2])
        assert ours.startswith("E1124 23:02:00.664874       1 test_log_lines.py:")
        assert ours.partition("] ")[2].rstrip("\n") == line.partition("] ")[2]


def test_values_look_as_klog_has_them() -> None:
    line = logged(err="x", n=3, f=1.5, yes=True, text='a "b"\n')
    assert line.endswith(' err="x" n=3 f=1.5 yes=true text="a \\"b\\"\\n"\n')
    lines: list[str] = []
    log = Log(lines.append, WoundClock(AT), verbosity=2)
    log.verbose(2, "shown", v=1)
    log.verbose(3, "not shown")
    assert [line.partition("] ")[2] for line in lines] == ['"shown" v=1\n']


def test_json_has_components_base_fields() -> None:
    line = json.loads(logged(LogFormat.JSON, err="x", node="n1"))
    assert line.pop("caller").startswith("test_log_lines.py:")
    assert line == {
        "ts": 1795561320664.874,
        "msg": "Failed to scrape node",
        "err": "x",
        "node": "n1",
    }


def test_json_has_what_is_no_text_as_the_text_format_has_it() -> None:
    """An error may quote bytes that are no text: instead of its line there was another error."""
    for text, shown in {
        "half \ud83d a pair": "half \ufffd a pair",
        "bytes \udcff\udc80": "bytes \\xff\\x80",
        "\u00e4\u6f22": "\u00e4\u6f22",
    }.items():
        line = json.loads(logged(LogFormat.JSON, err=text, uri=text))
        assert (line["err"], line["uri"]) == (shown, shown)


@given(st.text(st.characters()))
def test_whatever_is_said_in_json_is_one_line(text: str) -> None:
    line = logged(LogFormat.JSON, err=text)
    assert line.count("\n") == 1
    assert line.encode()
    assert isinstance(json.loads(line)["err"], str)


# Go's strconv.Quote on these, tried with Go 1.26.
QUOTED = {
    "plain": '"plain"',
    'a"b\\': '"a\\"b\\\\"',
    "\a\b\f\n\r\t\v": '"\\a\\b\\f\\n\\r\\t\\v"',
    "\x00\x1b\x7f": '"\\x00\\x1b\\x7f"',
    "\u2028\u200b": '"\\u2028\\u200b"',
    "\U000e0001": '"\\U000e0001"',
    "äö漢": '"äö漢"',
    "half \ud83d a pair": '"half \ufffd a pair"',
    "bytes \udcff\udc80": '"bytes \\xff\\x80"',
}


def test_quoting_is_gos() -> None:
    assert {text: quote(text) for text in QUOTED} == QUOTED


@given(st.text(), st.text(alphabet=st.characters(codec="ascii", exclude_characters='"')))
def test_whatever_is_said_stays_one_line_and_is_read_back(text: str, node: str) -> None:
    line = logged(err=text, node=node)
    assert line.count("\n") == 1
    assert line.endswith("\n")
    if node.isprintable() and "\\" not in node:
        [found] = scrape_failures(line, "pod")
        assert (found.text, found.node) == (text.encode(errors="replace").decode(), node) or any(
            0xD800 <= ord(each) <= 0xDFFF for each in text
        )
