"""Finds pending changes that a restart of the kubelet would also apply. Pure.

A run changes one configuration key. Its restart of the kubelet would also apply other pending
changes (another executable, an edited unit, other keys), and an undo could not revert these. So a
plan leaves out a node with pending changes.
"""

from collections.abc import Iterable, Iterator

from kubevouch.diagnose.make import named
from kubevouch.evidence.survey import NodeSurvey, SurveyedTimes
from kubevouch.kubelet.effective import EffectiveConfiguration
from kubevouch.rollout.decide.machine import was_since_the_start

_DELETED = " (deleted)"
_MOST_NAMED = 3
_FIRST = "; if the change is intended, restart the kubelet on the node: {how}; then make a new plan"
_RESTART = "systemctl restart kubelet"
_RELOAD = f"systemctl daemon-reload; {_RESTART}"


def restart_hazards(survey: NodeSurvey, next_one: EffectiveConfiguration) -> str:
    """Why the run must not restart the kubelet, and what to do; empty if it may.

    next_one: the configuration of the next start.
    """
    if survey.next_start.swaps and next_one.configuration.fail_swap_on:
        devices = _named(survey.next_start.swaps.decode(errors="replace").split("\n"))
        return (
            f"swap is on ({devices}), so the kubelet would not start again (failSwapOn): run "
            "swapoff -a, remove swap from /etc/fstab, then make a new plan"
        )
    found = [*_of_the_program(survey), *_of_its_files(survey)]
    if not found:
        return ""
    how = _RELOAD if survey.next_start.needs_reload == b"yes" else _RESTART
    return "; ".join(found) + _FIRST.format(how=how)


def _of_the_program(survey: NodeSurvey) -> Iterator[str]:
    start = survey.next_start
    executable = start.executable.decode(errors="replace")
    what = "a restart would start another executable"
    if executable.endswith(_DELETED):
        yield f"{what}: {_named([executable.removesuffix(_DELETED)])} was replaced"
    elif start.other_program == b"yes":
        yield f"{what}: {_named([start.program.decode(errors='replace')])} in place of {_named([executable])}"
    elif newer := _changed(survey, start.programs):
        yield f"{what}: {_named(newer)} was changed after the kubelet's start"


def _of_its_files(survey: NodeSurvey) -> Iterator[str]:
    """Pending changes in the kubelet's unit and in its configuration files.

    We do not compare the files with the running configuration (/configz), since the permission to
    read it also allows running commands in pods.
    """
    start = survey.next_start
    if start.needs_reload == b"yes":
        yield "systemd has not loaded the current kubelet.service (NeedDaemonReload)"
    # An undo restores a file's modification time, but not its change time.
    undone = any(each.state == b"undone" for each in survey.runs)
    files = start.configuration
    written = [(f.text_path, f.written if undone else max(f.written, f.changed)) for f in files]
    written += [(each.text_path, each.modified) for each in (*survey.config, *survey.drop_ins)]
    newer = [path for path, moment in written if was_since_the_start(survey, moment)]
    if newer := [*_changed(survey, start.unit_files), *newer]:
        yield f"changed after the kubelet's start: {_named(newer)}"


def _changed(survey: NodeSurvey, files: Iterable[SurveyedTimes]) -> list[str]:
    """The files that were written, moved or linked since the kubelet started.

    Package managers preserve modification times, so change times also count.
    """
    return [
        each.text_path
        for each in files
        if was_since_the_start(survey, max(each.written, each.changed))
    ]


def _named(names: list[str]) -> str:
    """Lists a few names, without invisible characters: a node's file names may contain anything."""
    shown = [
        "".join(char if char.isprintable() else "?" for char in name)[:200]
        for name in dict.fromkeys(filter(None, names))
    ]
    return named(shown, _MOST_NAMED)
