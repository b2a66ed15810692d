"""A plan as a file: how it is written, and what is refused when it is read. Pure."""

import re
import unicodedata
from ipaddress import ip_address

import msgspec

from kubevouch.errors import UsageError
from kubevouch.evidence.survey import RUN_NAME
from kubevouch.kube.images import names_an_image
from kubevouch.node.destination import NO_LOGIN, is_host, is_login
from kubevouch.policy.claims import Claim
from kubevouch.rollout.decide.plan import (
    ChangeKind,
    ClusterBinding,
    ConfigMapPlan,
    LeftOut,
    NodePlan,
    Plan,
    PodPlace,
)
from kubevouch.rollout.decide.strata import Stratum

EXPECTED = "a file written by `plan` was expected"

_NO_HOST = "is not a host name or address that ssh can take"
_NOT_SEEN = {"Cc", "Cf", "Co", "Cs", "Zl", "Zp"}
_NAMESPACE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_NODE = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*")
"""Nodes and ConfigMaps are named like an RFC 1123 subdomain (Kubernetes pkg/apis/core/validation, ValidateNodeName)."""
_TOKEN = re.compile(r'[{}]|"(?P<text>(?:[^"\\]++|\\.)*+)"(?P<colon>\s*:)?')
_FIELDS = frozenset(
    name
    for each in (Plan, NodePlan, LeftOut, ConfigMapPlan, ClusterBinding, PodPlace, Claim, Stratum)
    for name in each.__struct_encode_fields__
)
_MACHINE = re.compile(r"[0-9A-Za-z-]{1,64}")
_LONGEST_SHOWN = 100
_LONGEST_SEEN = 500
"""Characters of what is said of a plan that is refused."""
_LARGEST_NODE = 256 * 1024
"""Bytes. The files of a node may have any names and any lines, and a plan is for thousands of nodes."""


def text_of(plan: Plan) -> str:
    """The plan as JSON, for a person and for `apply`."""
    text = msgspec.json.format(msgspec.json.encode(plan), indent=2).decode() + "\n"
    return text.translate({ord(each): _escaped(each) for each in _hidden_in(text)})


def plan_in(data: bytes, where: str) -> Plan:
    """The plan in these bytes, which come from `where`. Raises UsageError if they are no valid plan, or one of another schema."""
    try:
        text = data.decode()
        if hidden := _hidden_in(text):
            first = next(each for each in text if each in hidden)
            seen = f"holds a character that does not show, U+{ord(first):04X}"
            raise _refused(where, seen)
        plan = msgspec.json.decode(data, type=Plan)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _refused(where, f"is not a valid plan: {error}") from None
    if twice := _said_twice(text):
        raise _refused(where, f"says {twice!r} twice in one place")
    if problem := _problem(plan):
        raise _refused(where, problem)
    return plan


def _said_twice(document: str) -> str:
    """The field that stands twice in one object of a JSON document; empty if none: of two, a person may read the other one.

    Only fields of plans count, so that as much is remembered as a plan can have.
    """
    objects: list[set[str]] = []
    for token in _TOKEN.finditer(document):
        if token[0] == "{":
            objects.append(set())
        elif token[0] == "}":
            objects.pop()
        elif token["colon"]:
            name = token["text"]
            name = msgspec.json.decode(f'"{name}"', type=str) if "\\" in name else name
            if name in objects[-1]:
                return name
            if name in _FIELDS:
                objects[-1].add(name)
    return ""


def _refused(where: str, seen: str) -> UsageError:
    """What is in the file may be of any length."""
    return UsageError(where, seen[:_LONGEST_SEEN], EXPECTED)


def _hidden_in(text: str) -> set[str]:
    """The hidden characters of a document. However long it is, it has few different ones: each is looked at once."""
    return set(filter(_hidden, set(text)))


def _hidden(character: str) -> bool:
    """Whether no person sees it as it is: controls, changes of direction, zero width, what has no glyph.

    A plan is signed off by people: what they read must be what is there.
    """
    if character.isprintable() or character in "\n\r\t":
        return False
    return unicodedata.category(character) in _NOT_SEEN


def _escaped(character: str) -> str:
    """As JSON does it, outside the first plane by two surrogates (RFC 8259, section 7)."""
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[i : i + 4]}" for i in range(0, len(units), 4))


def _problem(plan: Plan) -> str:
    """Why this plan must not be carried out; empty if nothing is wrong with it."""
    if not re.fullmatch(RUN_NAME, plan.run):
        return f"the run is named {plan.run!r}"
    if why := _name_problem(plan) or _way_problem(plan):
        return why
    problems = ((node.node, node_problem(node)) for node in plan.nodes)
    return next((f"{node}: {why}" for node, why in problems if why), "")


def _name_problem(plan: Plan) -> str:
    """The same of the names of its nodes."""
    names = [node.node for node in plan.nodes]
    if not names and not plan.left_out:
        return "it names no node"
    if len(set(names)) != len(names):
        return "a node stands there twice"
    if plan.config_map and not _NODE.fullmatch(plan.config_map.name):
        return f"{plan.config_map.name!r} is no name of a ConfigMap"
    said = (*names, *(each.node for each in plan.left_out), *plan.only)
    return next(
        (f"{name!r} is no name of a Node" for name in said if not _NODE.fullmatch(name)), ""
    )


def _way_problem(plan: Plan) -> str:
    """The same of how its scripts get to the nodes."""
    if plan.via == "ssh" and (keyless := [node.node for node in plan.nodes if not node.host_key]):
        return f"{keyless[0]}: no ssh host key"
    if why := _login_problem(plan):
        return why
    if (plan.via == "pod") is not (plan.pods is not None):
        return "pods belong to a plan that goes by pod, and to no other"
    if plan.pods and not names_an_image(plan.pods.image):
        return f"{plan.pods.image!r} names no image by its digest"
    if plan.pods and not _NAMESPACE.fullmatch(plan.pods.namespace):
        return f"{plan.pods.namespace!r} is no name of a namespace"
    hosts = (host for each in plan.left_out for host in (each.unreached, each.host) if host)
    return next((f"{each!r} {_NO_HOST}" for each in hosts if not is_host(each)), "")


def _login_problem(plan: Plan) -> str:
    """The same of how ssh logs in."""
    if plan.ssh_user and not is_login(plan.ssh_user):
        return f"{plan.ssh_user!r} {NO_LOGIN}"
    if "\0" in plan.ssh_config:
        return f"{plan.ssh_config!r} is no path of an ssh configuration"
    if plan.ask_sudo_password and plan.via != "ssh":
        return "a password for sudo belongs to a plan that goes by ssh"
    return ""


def node_problem(node: NodePlan) -> str:
    """Why no plan with this node in it is carried out; empty if nothing is wrong with it. Much of it is the node's own word."""
    if not is_host(node.host):
        return f"{node.host!r} {_NO_HOST}"
    if not all(_is_address(entry.value) for entry in node.addresses):
        return "not a valid IP address"
    if not _MACHINE.fullmatch(node.machine_id):
        return f"{node.machine_id[:_LONGEST_SHOWN]!r} is not a machine id"
    if not 0 < node.port < 65536 or not node.dial:
        return "no address and port to dial"
    paths = (node.root, node.pki, node.config) if node.change is ChangeKind.BOOTSTRAP else ()
    if not all(path.startswith("/") and ".." not in path.split("/") for path in paths):
        return "a path that is not absolute"
    return ""


def too_long(node: NodePlan) -> str:
    """Why no plan says so much of one node; empty if it may. One of all nodes has a largest size, too."""
    size = len(msgspec.json.encode(node))
    if size <= _LARGEST_NODE:
        return ""
    return (
        f"what it would say of it takes {size} bytes, and no more than {_LARGEST_NODE} are written"
    )


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
