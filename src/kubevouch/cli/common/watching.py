"""`--watch`: repeats a read-only verb, and prints the result whenever it changes."""

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

import click

from kubevouch.errors import ExitCode

if TYPE_CHECKING:
    from kubevouch.cli.common.terminal import Terminal

_PAUSE = 2.0
_CLEARED = "\x1b[H\x1b[2J"


def watchable(function: Callable[..., int]) -> Callable[..., int]:
    """Adds --watch."""

    @functools.wraps(function)
    def shown(terminal: "Terminal", watch: bool, **others: object) -> int:
        if not watch:
            return function(terminal=terminal, **others)
        try:
            show_again(terminal, lambda: function(terminal=terminal, **others))
        except KeyboardInterrupt:
            return ExitCode.INTERRUPTED  # the usual end, without a message

    verb: Callable[..., int] = shown
    return click.option(
        "-w", "--watch", is_flag=True, help="Show the result again after each change, until Ctrl-C."
    )(verb)


def show_again(terminal: "Terminal", look: Callable[[], object]) -> NoReturn:
    """Repeats the verb until an error or a signal. After the first result, retries if the API server is unreachable."""
    from kubevouch.cli.common.event_loop import run_loop
    from kubevouch.kube.errors import ApiUnreachable
    from kubevouch.system_clock import SystemClock

    shown = ""
    while True:
        terminal.held = []
        try:
            look()
        except ApiUnreachable as error:
            if not shown:
                raise
            terminal.error(str(error))
        finally:
            result, terminal.held = "".join(terminal.held), None
        if result not in ("", shown):
            apart = "" if terminal.document_form or not shown else "\n"
            terminal.document((_CLEARED if terminal.shows_escapes else apart) + result)
            terminal.flush()
            shown = result
        run_loop(SystemClock().sleep(_PAUSE))
