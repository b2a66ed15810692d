"""A restart that would start something else than what runs is refused, with the way out; whatever shows in a file's times counts."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from kubevouch.rollout.decide.need import need_of
from kubevouch.rollout.decide.plan import LeftOut

from .recorded import left_out, recorded, rewrite

UNIT = "/etc/systemd/system/kubelet.service"
DROP_IN = f"{UNIT}.d/20.conf"
CONFIG = "/var/lib/kubelet/config.yaml"
RESTART = "restart the kubelet on the node: systemctl restart kubelet; then make a new plan"
RELOAD = "on the node: systemctl daemon-reload; systemctl restart kubelet; then make a new plan"
OLD = {"age": 3600}

HAZARDS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    # what is changed in the recording, and what must be said
    "its executable was replaced": (
        {"next_start": {"executable": "/usr/bin/kubelet (deleted)"}},
        ("another executable: /usr/bin/kubelet was replaced", RESTART),
    ),
    "ExecStart leads to another program": (
        {"next_start": {"executable": "/opt/1.35/kubelet", "program": "/usr/bin/kubelet", "other_program": "yes"}},
        ("/usr/bin/kubelet in place of /opt/1.35/kubelet", RESTART),
    ),
    "its program was written over": (
        {"unit": OLD, "next_start": {"programs": [["/usr/bin/kubelet", -9000, 100]]}},
        ("/usr/bin/kubelet was changed after the kubelet's start", RESTART),
    ),
    "a drop-in that systemd has not read": (
        {"next_start": {"needs_reload": "yes"}},
        ("has not loaded the current kubelet.service (NeedDaemonReload)", RELOAD),
    ),
    "a drop-in that is newer than the process": (
        {"unit": OLD, "next_start": {"unit_files": [[UNIT, -9000, -9000], [DROP_IN, 600, 600]]}},
        (f"changed after the kubelet's start: {DROP_IN}", RESTART),
    ),
    "a drop-in that a package brought with an old time": (
        {"unit": OLD, "next_start": {"unit_files": [[DROP_IN, -9000, 600]]}},
        (DROP_IN, RESTART),
    ),
    "swap is on": (
        {"next_start": {"swaps": "/dev/sda2\n/swap.img"}},
        ("swap is on (/dev/sda2, /swap.img)", "would not start again", "swapoff -a"),
    ),
    "an edit of its file": (
        {"unit": OLD, "config": "maxPods: 50\n"},
        (f"changed after the kubelet's start: {CONFIG}", RESTART),
    ),
    "a folder of drop-ins that is newer than the process": (
        {"unit": {"age": 5}, "next_start": {"configuration": [[CONFIG, -9000, -9000], ["/etc/k.d", 4, 4]]}},
        ("changed after the kubelet's start: /etc/k.d", RESTART),
    ),
    "a file that was put in place with its old time": (
        {"unit": {"age": 5}, "next_start": {"configuration": [[CONFIG, -9000, 4]]}},
        (f"changed after the kubelet's start: {CONFIG}", RESTART),
    ),
}  # fmt: skip
HARMLESS: dict[str, dict[str, Any]] = {
    "files as old as the kubelet": {
        "next_start": {"unit_files": [[UNIT, -9000, -9000], [DROP_IN, 1, 1]], "programs": [["/x", 0, 0]]}
    },
    "a time in the future, which no restart would ever be after": {
        "next_start": {"unit_files": [[DROP_IN, 9_000_000, -9000]]}
    },
    "swap, which its kubelet may have": {
        "next_start": {"swaps": "/dev/sda2"},
        "config": "failSwapOn: false\n",
    },
    "swap, and a flag that allows it": {
        "next_start": {"swaps": "/dev/sda2"},
        "argv": ["--fail-swap-on=false"],
    },
    "a file that an undo has put back with its former time": {
        "unit": {"age": 5},
        "runs": [["abcd", "undone"]],
        "next_start": {"configuration": [[CONFIG, -9000, 4]]},
    },
    "systemd has read everything": {"next_start": {"needs_reload": "no"}},
}  # fmt: skip


@pytest.mark.parametrize(("change", "said"), HAZARDS.values(), ids=HAZARDS)
def test_a_restart_that_would_bring_in_more_is_refused_with_the_way_out(
    change: dict[str, Any], said: tuple[str, ...]
) -> None:
    why = left_out(recorded("expired-worker", change).look()).reason
    assert all(each in why for each in said), why


@pytest.mark.parametrize("change", HARMLESS.values(), ids=HARMLESS)
def test_what_a_restart_would_not_change_stands_in_nobodys_way(change: dict[str, Any]) -> None:
    rewrite(recorded("expired-worker", change).look())


@pytest.mark.parametrize("change", [each for each, _ in HAZARDS.values() if "unit" not in each])
def test_where_nothing_is_restarted_nothing_is_asked(change: dict[str, Any]) -> None:
    found = need_of(recorded("healthy-worker", change).look())
    assert isinstance(found, LeftOut) and found.is_well


def test_what_a_node_calls_its_files_is_one_line_of_plain_text() -> None:
    seen = recorded("expired-worker", {"unit": OLD})
    evil = "\x1b[2J\nkubevouch: all is well" + "x" * 5000
    start = msgspec.structs.replace(seen.survey.next_start, executable=f"{evil} (deleted)".encode())
    survey = msgspec.structs.replace(seen.survey, next_start=start)
    why = left_out(replace(seen.look(), survey=survey)).reason
    assert why.isprintable()
    assert len(why) < 1000
