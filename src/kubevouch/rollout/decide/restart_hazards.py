"""Why a restart of this kubelet would start something else than what runs, and what to do about it. Pure.

A run changes one key. If a restart would bring in more (another executable, an edited unit, other keys of the files), that
would take effect in the middle of a roll-out, and its undo could not take it back: such a node is left out.
"""

from collections.abc import Iterable, Iterator

from kubevouch.evidence.measured import Measured
from kubevouch.evidence.survey import NodeSurvey, SurveyedTimes
from kubevouch.kubelet.document import Tree
from kubevouch.kubelet.effective import EffectiveConfiguration
from kubevouch.kubelet.flags import read_flags
from kubevouch.kubelet.pending import pending_changes
from kubevouch.rollout.decide.machine import was_since_the_start

_DELETED = " (deleted)"
_MOST_NAMED = 3
_FIRST = "; if that is meant, restart it yourself first, on the node: {how}; then make a new plan"
_RESTART = "systemctl restart kubelet"
_RELOAD = f"systemctl daemon-reload; {_RESTART}"


def restart_hazards(
    survey: NodeSurvey, next_one: EffectiveConfiguration, running: Measured[Tree] | None
) -> str:
    """Why the kubelet must not be restarted by a run, with the way out; empty if nothing speaks against it.

    next_one: what the next start makes of files and flags. running: the keys of its /configz; None: nobody asked.
    """
    if survey.next_start.swaps and next_one.refuses_swap:
        devices = _named(survey.next_start.swaps.decode(errors="replace").split("\n"))
        return (
            f"swap is on ({devices}), and with failSwapOn, which is the default, its kubelet would not start again: turn swap "
            "off (swapoff -a, and its lines in /etc/fstab), then make a new plan"
        )
    found = [
        *_of_the_program(survey),
        *_of_the_unit(survey),
        *_of_its_files(survey, next_one, running),
    ]
    if not found:
        return ""
    how = _RELOAD if survey.next_start.needs_reload == b"yes" else _RESTART
    return "; ".join(found) + _FIRST.format(how=how)


def files_were_touched(survey: NodeSurvey) -> bool:
    """Whether a file of the kubelet's configuration has changed since its start: what it runs with is then to be asked."""
    return bool(_changed(survey, _configuration(survey)))


def _of_the_program(survey: NodeSurvey) -> Iterator[str]:
    start = survey.next_start
    executable = start.executable.decode(errors="replace")
    what = "a restart would start another executable than the one that runs"
    if executable.endswith(_DELETED):
        yield f"{what}: {_named([executable.removesuffix(_DELETED)])} was replaced"
    elif start.other_program == b"yes":
        yield f"{what}: {_named([start.program.decode(errors='replace')])} in place of {_named([executable])}"
    elif newer := _changed(survey, start.programs):
        yield f"{what}: {_named(newer)} was changed after its start"


def _of_the_unit(survey: NodeSurvey) -> Iterator[str]:
    start = survey.next_start
    if start.needs_reload == b"yes":
        yield "kubelet.service on the disk is not the one that systemd has read (NeedDaemonReload)"
    if newer := _changed(survey, start.unit_files):
        yield f"changed after its kubelet's start: {_named(newer)}"


def _of_its_files(
    survey: NodeSurvey, next_one: EffectiveConfiguration, running: Measured[Tree] | None
) -> Iterator[str]:
    """The keys that would change; where the running ones are not known, that a file was written since the start."""
    if running is not None and running.value is not None:
        if not files_were_touched(survey):
            return
        changes = pending_changes(next_one, running.value, read_flags(survey.words))
        if changes:
            yield f"a restart would also change {_named([str(each) for each in changes])}"
    elif newer := _written(survey, _configuration(survey)):
        doubt = running.doubt.text if running and running.doubt else "nobody asked"
        yield (
            f"written after its kubelet's start: {_named(newer)}; what a restart would change cannot be told, since the "
            f"kubelet's own /configz is not known ({doubt})"
        )


def _configuration(survey: NodeSurvey) -> Iterator[SurveyedTimes]:
    yield from survey.next_start.configuration
    for file in (*survey.config, *survey.drop_ins):
        yield SurveyedTimes(file.path, file.modified, file.modified)


def _changed(survey: NodeSurvey, files: Iterable[SurveyedTimes]) -> list[str]:
    """Those that were written, moved or linked since the process started: a package brings files with times of their own."""
    return [
        each.text_path
        for each in files
        if was_since_the_start(survey, max(each.written, each.changed))
    ]


def _written(survey: NodeSurvey, files: Iterable[SurveyedTimes]) -> list[str]:
    return list(dict.fromkeys(
        each.text_path for each in files if was_since_the_start(survey, each.written)
    ))  # fmt: skip


def _named(names: list[str]) -> str:
    """A few of them; what a node calls its files is shown without what could not be seen in it."""
    shown = [
        "".join(char if char.isprintable() else "?" for char in name)[:200]
        for name in dict.fromkeys(filter(None, names))
    ]
    more = f" and {len(shown) - _MOST_NAMED} more" if len(shown) > _MOST_NAMED else ""
    return ", ".join(shown[:_MOST_NAMED]) + more
