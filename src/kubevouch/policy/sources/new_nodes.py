"""The operator's rule for new nodes: which names, in which networks, and how many in an hour."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from fnmatch import fnmatchcase

import msgspec

from kubevouch.policy.claims import Address, Network
from kubevouch.policy.sources.recorded import Admitted

_WINDOW = timedelta(hours=1)


class NewNodeRule(msgspec.Struct, frozen=True):
    """New Nodes whose whole name matches the pattern `names`, with addresses in `networks`, at most `per_hour`."""

    names: str
    networks: tuple[Network, ...]
    per_hour: int

    def matches(self, node: str) -> bool:
        """Whether the rule is about a Node of this name. * and ? match within one DNS label."""
        labels, patterns = node.split("."), self.names.split(".")
        return len(labels) == len(patterns) and all(map(fnmatchcase, labels, patterns))

    def has(self, address: Address) -> bool:
        """Whether an address lies in one of its networks."""
        return any(address.version == each.version and address in each for each in self.networks)

    def left(self, admitted: Iterable[Admitted], at: datetime) -> int:
        """How many more it admits now. admitted: what it and other rules admitted so far."""
        lately = sum(each.rule == self.names and at - each.at < _WINDOW for each in admitted)
        return max(0, self.per_hour - lately)


def rule_for(rules: Iterable[NewNodeRule], node: str) -> NewNodeRule | None:
    """The first rule that is about a Node of this name."""
    return next((rule for rule in rules if rule.matches(node)), None)
