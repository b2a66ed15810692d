"""Writes a plan as JSON, parses it, and refuses invalid files. Pure."""

import json
import re
from collections import Counter
from ipaddress import ip_address

import msgspec

from kubevouch.errors import UsageError
from kubevouch.kube.resources.pods import names_an_image
from kubevouch.node.destination import NO_LOGIN, is_login
from kubevouch.rollout.decide.plan import NodePlan, Plan

EXPECTED = "expected a file written by `plan`"

_NOT_SHOWN = re.compile(r"[^\t\n\r -~]")
"""Characters that a plan must not contain. A plan is ASCII, so that it hides nothing from a reviewer."""
_LONGEST_SEEN = 500
"""The maximum length of the message about a refused plan."""
_LARGEST_NODE = 256 * 1024
"""The maximum size of a node's entry in bytes, since a plan may have thousands of nodes."""


def text_of(plan: Plan) -> str:
    """The plan as JSON, for people and for `apply`."""
    return json.dumps(msgspec.to_builtins(plan), indent=2) + "\n"


def plan_in(data: bytes, where: str) -> Plan:
    """Parses a plan. where: the source, for errors.

    Raises UsageError if the plan is invalid or has another schema version.
    """
    text = data.decode(errors="replace")
    if hidden := _NOT_SHOWN.search(text):
        raise _refused(where, f"has a character that is not plain ASCII, U+{ord(hidden[0]):04X}")
    try:
        plan = msgspec.json.decode(data, type=Plan)
        json.loads(text, object_pairs_hook=_refuse_twice)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise _refused(where, f"is not a valid plan: {error}") from None
    if problem := _problem(plan):
        raise _refused(where, problem)
    return plan


def _refuse_twice(fields: list[tuple[str, object]]) -> None:
    """Raises ValueError if an object has a field twice: a reviewer may read the wrong value."""
    for name, times in Counter(name for name, _ in fields).items():
        if times > 1:
            raise ValueError(f"{name!r} appears twice in one object")


def _refused(where: str, seen: str) -> UsageError:
    """The error for a refused plan. Truncates the message, since it may quote the file."""
    return UsageError(where, seen[:_LONGEST_SEEN], EXPECTED)


def _problem(plan: Plan) -> str:
    """Why the plan is invalid although it matches the schema; empty if it is valid."""
    names = [node.node for node in plan.nodes]
    keyless = next((node.node for node in plan.nodes if not node.host_key), "")
    found = {
        "the plan has no node": not names and not plan.left_out,
        "the plan lists a node twice": len(set(names)) != len(names),
        f"{keyless}: no ssh host key": plan.via == "ssh" and keyless,
        f"{plan.ssh_user!r} {NO_LOGIN}": plan.ssh_user and not is_login(plan.ssh_user),
        "a password for sudo needs a plan that uses ssh": plan.ask_sudo_password
        and plan.via != "ssh",
        "a plan must have `pods` if `via` is pod, and only then": (plan.via == "pod")
        is not (plan.pods is not None),
        "the plan's pod image is not NAME@sha256:DIGEST": plan.pods
        and not names_an_image(plan.pods.image),
    }
    problems = (f"{node.node}: {why}" for node in plan.nodes if (why := _node_problem(node)))
    return next((why for why, is_so in found.items() if is_so), "") or next(problems, "")


def _node_problem(node: NodePlan) -> str:
    if not all(_is_address(entry.value) for entry in node.addresses):
        return "an address is not a valid IP address"
    if node.writes and not (node.disk.root and node.disk.pki and node.disk.config):
        return "the field disk lacks root, pki or config"
    return ""


def node_problem(node: NodePlan) -> str:
    """Why a plan must not contain this node; empty if it may.

    Much of the node's entry comes from the node, and one invalid entry makes the whole plan invalid.
    """
    written = msgspec.json.encode(node)
    if len(written) > _LARGEST_NODE:
        return f"the node's entry takes {len(written)} bytes; expected at most {_LARGEST_NODE}"
    try:
        return _node_problem(msgspec.json.decode(written, type=NodePlan))
    except msgspec.DecodeError as error:
        field = str(error).rpartition("$.")[2].rstrip("`")
        return f"the field {field} is malformed"


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
