"""Whoever is asked about a run is told on which nodes it is armed: whether they go on or not, the switches of these go off."""

import contextlib
from collections.abc import Iterator
from shlex import join

import click

from kubevouch.cli.common.terminal import Declined, Terminal, one_line
from kubevouch.cli.rollout.again import words_of
from kubevouch.rollout.act.check import CheckedPlan
from kubevouch.rollout.act.node_turn import begun_before
from kubevouch.rollout.decide.armed import ArmedNode, what_is_left_armed, what_switches_leave
from kubevouch.rollout.decide.operator_word import OperatorWord
from kubevouch.rollout.decide.timeouts import RolloutTimeouts
from kubevouch.system_clock import SystemClock


def say_what_switches_leave(
    terminal: Terminal, checked: CheckedPlan, timeouts: RolloutTimeouts
) -> None:
    """How long there is to prove each node on which the run was found armed."""
    for line in what_switches_leave(_armed(checked, timeouts), SystemClock().now()):
        terminal.note(one_line(line))


@contextlib.contextmanager
def telling_what_is_armed(
    terminal: Terminal,
    checked: CheckedPlan,
    timeouts: RolloutTimeouts,
    asked: tuple[str, str],
    word: OperatorWord,
) -> Iterator[None]:
    """Around the question; also where it is ended by a signal. asked: the verb, and what was said behind it."""
    try:
        yield
    except (Declined, click.Abort, KeyboardInterrupt):
        if armed := _armed(checked, timeouts):
            again = join(["kubevouch", *asked, *words_of(word)])
            left = what_is_left_armed(armed, SystemClock().now(), again, named=asked[1])
            terminal.note(terminal.hinted(one_line(left)))
        raise


def _armed(checked: CheckedPlan, timeouts: RolloutTimeouts) -> list[ArmedNode]:
    found = [begun_before(each, checked, timeouts) for each in checked.nodes]
    return [each for each in found if each is not None]
