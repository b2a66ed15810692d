"""Whoever does not go on with a run is told on which nodes it is armed: their switches go off all the same."""

import contextlib
from collections.abc import Iterator
from shlex import join

import click

from kubevouch.cli.common.terminal import Declined, Terminal, one_line
from kubevouch.cli.fix.again import words_of
from kubevouch.rollout.act.check import CheckedPlan
from kubevouch.rollout.act.node_turn import begun_before
from kubevouch.rollout.decide.armed import what_is_left_armed
from kubevouch.rollout.decide.operator_word import OperatorWord
from kubevouch.rollout.decide.timeouts import RolloutTimeouts
from kubevouch.system_clock import SystemClock


@contextlib.contextmanager
def telling_what_is_armed(
    terminal: Terminal,
    checked: CheckedPlan,
    timeouts: RolloutTimeouts,
    asked: tuple[str, str],
    word: OperatorWord,
) -> Iterator[None]:
    """Around the question; also where it is ended by a signal. asked: --apply or --resume, and what was said behind it."""
    try:
        yield
    except (Declined, click.Abort, KeyboardInterrupt):
        found = [begun_before(each, checked, timeouts) for each in checked.nodes]
        if armed := [each for each in found if each is not None]:
            again = join(["kubevouch", "fix", *asked, *words_of(word)])
            left = what_is_left_armed(armed, SystemClock().now(), again, named=asked[1])
            terminal.note(terminal.hinted(one_line(left)))
        raise
