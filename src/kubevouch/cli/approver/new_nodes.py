"""Which source new nodes get: asked at install, since a node that no source knows is held, and a join would stay dark."""

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_network
from typing import Final

from kubevouch import goyaml
from kubevouch.errors import UsageError
from kubevouch.policy.sources.configuration import (
    CONFIGURATION_SCHEMA,
    read_configuration,
)
from kubevouch.policy.sources.stored import Unreadable


class NewNodes(StrEnum):
    """What becomes of the CSR of a node that nobody has pinned."""

    HOLD = "hold"
    """It is held until somebody pins the node."""

    RULE = "rule"
    """A rule admits it once: a pattern of names, networks, so many an hour."""


QUESTION: Final = """\
A node that nobody has pinned asks for a certificate when it joins. What is to become of its CSR?
  hold  it waits until somebody runs `kubevouch approver pin NODE` (an Event on it and on its Node says so)
  rule  admitted once if its name matches a pattern, its addresses lie in networks, and not too many came this hour"""


@dataclass(frozen=True)
class NewNodeWish:
    """The operator's answer: a rule; without one new nodes are held."""

    names: str = ""
    networks: tuple[str, ...] = ()
    per_hour: int = 0

    @property
    def configuration(self) -> str:
        """The text of configuration.yaml. Raises UsageError if the approver could not read it."""
        sources = ["inventory", "pins", "renewal", *(["new-nodes"] if self.names else [])]
        content: dict[str, object] = {"schemaVersion": CONFIGURATION_SCHEMA, "sources": sources}
        if self.names:
            rule = {"names": self.names, "cidrs": [*self.networks], "perHour": self.per_hour}
            content["newNodes"] = [rule]
        text = goyaml.written(content)
        read = read_configuration(text)
        if isinstance(read, Unreadable):
            raise UsageError("--new-nodes", read.seen, read.expected)
        if read.problems:
            # Behind the place in a file that is not there yet.
            raise UsageError("--new-nodes rule", read.problems[0].partition(": ")[2])
        return text


def wish_of(
    source: str | None, names: str, networks: tuple[str, ...], per_hour: int
) -> NewNodeWish | None:
    """The wish that the flags state; None if they state none. Raises UsageError for what does not fit together."""
    ruled = bool(names or networks)
    if source is None and not ruled:
        return None
    chosen = NewNodes(source) if source else NewNodes.RULE
    if chosen is not NewNodes.RULE:
        if ruled:
            expected = "--new-node-names and --new-node-cidr belong to --new-nodes rule"
            raise UsageError(f"--new-nodes {chosen}", "has no rule", expected)
        return NewNodeWish()
    if not (names and networks):
        expected = "--new-node-names PATTERN and --new-node-cidr CIDR were expected"
        raise UsageError("--new-nodes rule", "is not a whole rule", expected)
    for each in networks:
        try:
            ip_network(each)
        except ValueError as error:
            raise UsageError(
                f"--new-node-cidr {each}", str(error), "192.168.88.0/24, say"
            ) from None
    return NewNodeWish(names, networks, per_hour)
