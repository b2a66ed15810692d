"""The approver's configuration: the identity sources, the rules for new nodes, and limits."""

import re
from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from fnmatch import fnmatchcase
from ipaddress import ip_network

import msgspec

from kubevouch.errors import nearest
from kubevouch.evidence import approvers
from kubevouch.evidence.names import ClusterNames, with_more
from kubevouch.policy.claims import Address, Network
from kubevouch.policy.facts import MAX_LIFETIME
from kubevouch.policy.rules.usable import malformed
from kubevouch.policy.sources.nodes import Admitted
from kubevouch.policy.sources.stored import NotAnEntry, Unreadable, checked_text, document_in

CONFIGURATION = approvers.NAME
CONFIGURATION_KEY = approvers.CONFIGURATION_KEY
CONFIGURATION_SCHEMA = "kubevouch.approver/1"

_WHERE = f"{CONFIGURATION}, {CONFIGURATION_KEY}"
_MOST_RULES = 64
_MOST_NETWORKS = 64
_MOST_PER_HOUR = 1_000
_LARGEST = 64 * 1024
_WINDOW = timedelta(hours=1)
_LIFETIME = re.compile(r"([1-9][0-9]{0,5})([hd])")
_PATTERN = re.compile(r"[a-z0-9.*?-]{1,253}")
_SPECIFIC = re.compile(r"[a-z0-9].*|.*[a-z0-9]{3}.*")
"""A name pattern must begin with a letter or digit, or contain three of them in a row. Whoever
joins a node chooses its name, and *-* or *1* would match almost any name."""


class IdentitySource(StrEnum):
    """The sources of a node's names, strongest first. Used in the configuration, logs, metrics and `csr -o json`."""

    INVENTORY = "inventory"
    PINS = "pins"
    RENEWAL = "renewal"
    NEW_NODES = "new-nodes"
    RECORDED = "recorded"
    """The approver's own record of what the rule for new nodes admitted. The configuration cannot
    list `recorded`, `none` or `allow`."""

    NONE = "none"
    ALLOW = "allow"
    """The operator's --allow. Only the command `csr` uses this source."""

    @property
    def is_rule_for_new_nodes(self) -> bool:
        """Whether the source is a rule for new nodes, or the record of one."""
        return self in (IdentitySource.NEW_NODES, IdentitySource.RECORDED)


_CONFIGURED = tuple(IdentitySource)[:4]


class NewNodeRule(msgspec.Struct, frozen=True):
    """A rule that admits at most `per_hour` new Nodes, if their names match `names` and their addresses are in `networks`."""

    names: str
    networks: tuple[Network, ...]
    per_hour: int

    def matches(self, node: str) -> bool:
        """Whether the name matches the pattern. * and ? match within one DNS label."""
        labels, patterns = node.split("."), self.names.split(".")
        return len(labels) == len(patterns) and all(map(fnmatchcase, labels, patterns))

    def has(self, address: Address) -> bool:
        """Whether an address is in one of the rule's networks."""
        return any(address.version == each.version and address in each for each in self.networks)

    def left(self, admitted: Iterable[Admitted], at: datetime) -> int:
        """How many more Nodes the rule admits now. admitted: what all rules have admitted."""
        lately = sum(each.rule == self.names and at - each.at < _WINDOW for each in admitted)
        return max(0, self.per_hour - lately)


def rule_for(rules: Iterable[NewNodeRule], node: str) -> NewNodeRule | None:
    """The first rule whose pattern matches the name."""
    return next((rule for rule in rules if rule.matches(node)), None)


class ApproverConfiguration(msgspec.Struct, frozen=True):
    """The approver's configuration, or the defaults if the ConfigMap is missing."""

    sources: tuple[IdentitySource, ...] = _CONFIGURED[:3]
    new_nodes: tuple[NewNodeRule, ...] = ()
    cluster_domain: str = ""
    service_networks: tuple[Network, ...] = ()
    pod_networks: tuple[Network, ...] = ()
    max_lifetime: timedelta = MAX_LIFETIME
    problems: tuple[str, ...] = ()
    """Why some rules for new nodes cannot be read. Those rules admit no node."""


class _Document(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    schema_version: str
    sources: list[str] = msgspec.field(default_factory=lambda: [*ApproverConfiguration().sources])
    new_nodes: list[object] = []
    cluster_domain: str = ""
    service_networks: list[str] = msgspec.field(default_factory=list, name="serviceCIDRs")
    pod_networks: list[str] = msgspec.field(default_factory=list, name="podCIDRs")
    max_lifetime: str = ""


class _NewNodes(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    names: str
    cidrs: list[str]
    per_hour: int


def why_unreadable(text: str | None) -> Unreadable | None:
    """Why a configuration cannot be read, or None. text: None if there is no configuration."""
    found = None if text is None else read_configuration(text)
    return found if isinstance(found, Unreadable) else None


def read_configuration(text: str) -> ApproverConfiguration | Unreadable:
    """Parses the configuration. While it is unreadable, the approver approves nothing.

    An unreadable rule for new nodes admits no node and is reported. The other rules apply.
    """
    try:
        document = _document(text)
        rules, problems = _rules(document.new_nodes)
        return ApproverConfiguration(
            sources=_sources(document.sources),
            new_nodes=rules,
            cluster_domain=_domain(document.cluster_domain),
            service_networks=_networks(document.service_networks, "serviceCIDRs"),
            pod_networks=_networks(document.pod_networks, "podCIDRs"),
            max_lifetime=_lifetime(document.max_lifetime),
            problems=problems,
        )
    except NotAnEntry as error:
        return Unreadable(_WHERE, error.seen, error.expected)


def with_configured(names: ClusterNames, configuration: ApproverConfiguration) -> ClusterNames:
    """Adds the domain and the networks in the configuration to those of the cluster."""
    return with_more(
        names,
        domains=[configuration.cluster_domain],
        service_networks=configuration.service_networks,
        pod_networks=configuration.pod_networks,
    )


def _document(text: str) -> _Document:
    if len(text) > _LARGEST:
        raise NotAnEntry(f"{len(text)} characters", f"expected at most {_LARGEST}")
    said = document_in(text, CONFIGURATION_SCHEMA)
    known = [field.encode_name for field in msgspec.structs.fields(_Document)]
    if strange := sorted(set(said) - set(known)):
        right = nearest(strange[0], known, otherwise=f"expected one of {', '.join(known)}")
        raise NotAnEntry(f"{strange[0]!r}", right)
    try:
        return msgspec.convert(said, _Document)
    except msgspec.ValidationError as error:
        raise NotAnEntry(
            str(error), "expected a configuration as in docs/reference/policy.md"
        ) from None


def _sources(said: list[str]) -> tuple[IdentitySource, ...]:
    for word in said:
        if word not in _CONFIGURED:
            right = nearest(
                word, _CONFIGURED, otherwise=f"expected one of {', '.join(_CONFIGURED)}"
            )
            raise NotAnEntry(f"sources: {word!r}", right)
    if not said:
        raise NotAnEntry("no source", "expected sources such as [inventory, pins, renewal]")
    return tuple(source for source in _CONFIGURED if source in said)


def _rules(said: list[object]) -> tuple[tuple[NewNodeRule, ...], tuple[str, ...]]:
    if len(said) > _MOST_RULES:
        raise NotAnEntry(f"{len(said)} rules for new nodes", f"expected at most {_MOST_RULES}")
    rules: dict[str, NewNodeRule] = {}
    problems: list[str] = []
    for number, each in enumerate(said, start=1):
        try:
            rule = _rule(each, rules)
            rules[rule.names] = rule
        except NotAnEntry as error:
            problems.append(f"{_WHERE}, newNodes {number}: {error.seen}; {error.expected}")
    return tuple(rules.values()), tuple(problems)


def _rule(said: object, earlier: Collection[str]) -> NewNodeRule:
    try:
        read = msgspec.convert(said, _NewNodes)
    except msgspec.ValidationError as error:
        raise NotAnEntry(str(error), "expected names, cidrs and perHour") from None
    if not _PATTERN.fullmatch(read.names) or not _SPECIFIC.fullmatch(read.names):
        raise NotAnEntry(
            f"names {read.names[:80]!r}",
            "expected a lower-case pattern with the wildcards * and ? that begins with a letter or digit, or has three letters or digits in a row",
        )
    if read.names in earlier:
        raise NotAnEntry(f"names {read.names!r} again", "expected one rule for each pattern")
    if not 1 <= read.per_hour <= _MOST_PER_HOUR:
        raise NotAnEntry(f"perHour {read.per_hour}", f"expected 1 to {_MOST_PER_HOUR}")
    networks = _networks(read.cidrs, "cidrs")
    if not networks:
        raise NotAnEntry("no cidrs", "expected the networks of the nodes")
    if whole := next((each for each in networks if each.prefixlen == 0), None):
        raise NotAnEntry(f"cidrs: {whole}", "expected the networks of the nodes, not all networks")
    return NewNodeRule(read.names, networks, read.per_hour)


def _networks(texts: list[str], what: str) -> tuple[Network, ...]:
    if len(texts) > _MOST_NETWORKS:
        raise NotAnEntry(f"{len(texts)} {what}", f"expected at most {_MOST_NETWORKS}")
    try:
        return tuple(ip_network(text) for text in texts)
    except ValueError as error:
        raise NotAnEntry(f"{what}: {error}", "expected networks such as 192.168.88.0/24") from None


def _domain(text: str) -> str:
    domain = checked_text(text, "clusterDomain").strip(".").lower()
    if domain and (why := malformed(domain)):
        raise NotAnEntry(f"clusterDomain {domain[:80]!r} ({why})", "expected a DNS domain")
    return domain


def _lifetime(text: str) -> timedelta:
    if not text:
        return MAX_LIFETIME
    found = _LIFETIME.fullmatch(text)
    if found is None:
        raise NotAnEntry(f"maxLifetime {text[:80]!r}", "expected hours or days such as 24h or 90d")
    return timedelta(hours=int(found[1])) if found[2] == "h" else timedelta(days=int(found[1]))
