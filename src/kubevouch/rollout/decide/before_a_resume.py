"""What an operator waits for before a run that was cut off is gone on with: the switches that come first, or its Lease. Pure."""

import re
from collections.abc import Sequence

from kubevouch.evidence.run_holder import RunHolder
from kubevouch.evidence.survey import RUN_NAME
from kubevouch.rollout.decide.run_status import LONG_AT_WORK, RunOnNode

_RETRIES = 15
"""Seconds after which a switch that did not succeed tries again (undo.sh)."""

_LONGEST_SLEEP = 600
"""Seconds: a node may say that its switch goes off in years."""

_LOOKS = 5
"""Seconds that a resume needs before it has a node in hand."""

_PROVES = 20
"""Seconds that it may take then until the node is proven and committed: seldom less than 5, with a CSR to come some 20, and on busy machines 31 were seen."""

_WATCHES = 15
"""Seconds for which it watches the Lease of a run that was cut off before that (kube.io.lease)."""


def next_for_under_way(holder: RunHolder, status: str) -> tuple[str, str]:
    """status: the command that shows it again. One that was killed just now looks the same, until its Lease has run out."""
    named = bool(re.fullmatch(RUN_NAME, holder.run))
    run = f"run {holder.run}" if named else "a run"
    what = (f"the undo of {run}" if named else "an undo") if holder.undoes else run
    shows = f"if it was killed, that shows in {holder.counts_for} s"
    if not holder.is_late:
        return status, f"{what} is under way: wait until it has ended; {shows}"
    silent = (
        f"has not renewed its Lease for {holder.silent.total_seconds():.0f} s, as it does every 2 s"
    )
    return f"sleep {holder.counts_for} && {status}", f"{what} {silent}: {shows}"


def too_late(resume: str, hand: Sequence[RunOnNode], *, is_watched: bool) -> str:
    """Why their own switches end all these nodes before that command has proven one, as far as can be told; empty if it comes in time for one of them.

    hand: that are armed by one run. is_watched: somebody holds its Lease, or may, so that it is watched first.
    """
    needs = _LOOKS + _PROVES + (_WATCHES if is_watched else 0)
    left = [each.fires_in for each in hand if each.fires_in is not None]
    if len(left) < len(hand) or not all(-LONG_AT_WORK <= each < needs for each in left):
        return ""
    when = f"goes off in {max(left)} s" if max(left) > 0 else "is at work"
    watches = f"watches the Lease for {_WATCHES} s, " if is_watched else ""
    return (
        f"the node's own switch {when}: `{resume}` would hardly come in time, and does not prolong that; "
        f"it {watches}looks at the nodes for some {_LOOKS} s, and may need {_PROVES} s and more to prove one"
    )


def after_switch(armed: Sequence[RunOnNode], status: str) -> str:
    """Waits until the last of their switches should have succeeded, and shows where they stand then."""
    left = max((each.fires_in or 0 for each in armed), default=0)
    return f"sleep {min(max(left, 0), _LONGEST_SLEEP) + _RETRIES} && {status}"
