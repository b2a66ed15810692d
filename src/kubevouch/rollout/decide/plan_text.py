"""A plan as a file: how it is written, and what is refused when it is read. Pure."""

import re
import unicodedata
from ipaddress import ip_address

import msgspec

from kubevouch.errors import UsageError
from kubevouch.kube.resources.pods import names_an_image
from kubevouch.node.destination import NO_LOGIN, is_login
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

EXPECTED = "a file written by `plan` was expected"

_NOT_SEEN = {"Cc", "Cf", "Co", "Cs", "Zl", "Zp"}
_TOKEN = re.compile(r'[{}]|"(?P<text>(?:[^"\\]++|\\.)*+)"(?P<colon>\s*:)?')
_FIELDS = frozenset(
    name
    for each in (Plan, NodePlan, LeftOut, ConfigMapPlan, ClusterBinding, PodPlace, Claim)
    for name in each.__struct_encode_fields__
)
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
    """Why this plan must not be carried out, beside what its types refuse; empty if nothing is wrong with it."""
    names = [node.node for node in plan.nodes]
    keyless = next((node.node for node in plan.nodes if not node.host_key), "")
    found = {
        "it names no node": not names and not plan.left_out,
        "a node stands there twice": len(set(names)) != len(names),
        f"{keyless}: no ssh host key": plan.via == "ssh" and keyless,
        f"{plan.ssh_user!r} {NO_LOGIN}": plan.ssh_user and not is_login(plan.ssh_user),
        "a password for sudo belongs to a plan that goes by ssh": plan.ask_sudo_password
        and plan.via != "ssh",
        "pods belong to a plan that goes by pod, and to no other": (plan.via == "pod")
        is not (plan.pods is not None),
        "it names no image by its digest": plan.pods and not names_an_image(plan.pods.image),
    }
    problems = (f"{node.node}: {why}" for node in plan.nodes if (why := _node_problem(node)))
    return next((why for why, is_so in found.items() if is_so), "") or next(problems, "")


def _node_problem(node: NodePlan) -> str:
    if not all(_is_address(entry.value) for entry in node.addresses):
        return "not a valid IP address"
    if node.change is ChangeKind.BOOTSTRAP and not (node.root and node.pki and node.config):
        return "no path of what is to be changed"
    return ""


def node_problem(node: NodePlan) -> str:
    """Why no plan can have this node in it; empty if one can. Much of it is the node's own word: it would spoil the plan of all."""
    written = msgspec.json.encode(node)
    if len(written) > _LARGEST_NODE:
        return f"what it would say of it takes {len(written)} bytes, and no more than {_LARGEST_NODE} are written"
    try:
        return _node_problem(msgspec.json.decode(written, type=NodePlan))
    except msgspec.DecodeError as error:
        field = str(error).rpartition("$.")[2].rstrip("`")
        return f"its {field} is malformed"


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
