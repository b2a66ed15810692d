"""How pins that were written or removed are undone: a new one is removed, and of any other the former entry is put back."""

import json
from collections.abc import Iterator, Mapping, Sequence
from shlex import join
from typing import Final

from kubevouch.cli.approver.installation import NAMESPACE
from kubevouch.cli.common.terminal import Terminal

_MOST_SHOWN: Final = 8
"""Former entries that commands put back. Each is a line of some three hundred characters."""

_LONGEST: Final = 4096
"""Characters of an entry that a command puts back. A pin has less; what cannot be read may have any number."""

Former = Mapping[str, Mapping[str, str]]
"""By node, the texts that stood in ConfigMaps until now, as they were; none of a node that had no pin."""


def say_how_pins_are_undone(
    terminal: Terminal, before: Former, *, every: bool = False, lead: str = "UNDO  "
) -> None:
    """What stood there comes back as it was, also what could not be read.

    lead: before the first line. every: no line above says what a pin had before, so that however many there are, each has its command.
    """
    entries = _short(before)
    shown = entries if every else entries[:_MOST_SHOWN]
    for command in _commands(before, shown):
        terminal.command(lead, command)
        lead = "      "
    for node, texts in before.items():
        for name, text in texts.items():
            if len(text) > _LONGEST:
                said = f"of {node} nothing is put back in {name}: what stood there has {len(text)} characters"
                terminal.wrapped(said, lead)
                lead = "      "
    if more := len(entries) - len(shown):
        text = f"{lead}by hand for {more} more: the lines above with + and - say what their pins had before."
        terminal.out(text)


def _short(before: Former) -> list[tuple[str, str, str]]:
    """Node, ConfigMap and text of each entry that a command line can hold."""
    every = [(node, name, text) for node, texts in before.items() for name, text in texts.items()]
    return [each for each in every if len(each[2]) <= _LONGEST]


def _commands(before: Former, shown: Sequence[tuple[str, str, str]]) -> Iterator[str]:
    new = [node for node, texts in before.items() if not texts]
    if new:
        yield join(["kubevouch", "approver", "pin", *new, "--remove"])
    for node, name, text in shown:
        patch = json.dumps({"data": {node: text}}, separators=(",", ":"))
        words = ("patch", "configmap", name, "--type=merge", "-p", patch)
        yield join(["kubectl", "-n", NAMESPACE, *words])
