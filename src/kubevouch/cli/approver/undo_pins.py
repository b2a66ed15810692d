"""How pins that were written or removed are undone: a new one is removed, and of any other the former entry is put back."""

import json
from collections.abc import Iterator, Mapping
from shlex import join
from typing import Final

from kubevouch.cli.approver.installation import NAMESPACE
from kubevouch.cli.common.terminal import Terminal
from kubevouch.policy.sources.pinned import PINS, PinnedNode, written_pin
from kubevouch.policy.sources.stored import Unreadable, shard_of

_MOST_SHOWN: Final = 8
"""Former entries that commands put back. Each is a line of some three hundred characters."""


def say_how_pins_are_undone(
    terminal: Terminal, before: Mapping[str, PinnedNode | Unreadable | None]
) -> None:
    """before: the pin that each node had until now; None if it had none."""
    lead = "UNDO  "
    for command in _commands(before):
        terminal.command(lead, command)
        lead = "      "
    former = [node for node, pin in before.items() if isinstance(pin, PinnedNode)]
    if more := len(former[_MOST_SHOWN:]):
        text = f"{lead}by hand for {more} more: the lines above with + and - say what their pins had before."
        terminal.out(text)
    for node, pin in before.items():
        if isinstance(pin, Unreadable):
            terminal.wrapped(f"of {node} nothing is put back: its pin could not be read", "      ")


def _commands(before: Mapping[str, PinnedNode | Unreadable | None]) -> Iterator[str]:
    new = [node for node, pin in before.items() if pin is None]
    if new:
        yield join(["kubevouch", "approver", "pin", *new, "--remove"])
    former = {node: pin for node, pin in before.items() if isinstance(pin, PinnedNode)}
    for node, pin in list(former.items())[:_MOST_SHOWN]:
        patch = json.dumps({"data": {node: written_pin(pin)}}, separators=(",", ":"))
        words = ("patch", "configmap", shard_of(PINS, node), "--type=merge", "-p", patch)
        yield join(["kubectl", "-n", NAMESPACE, *words])
