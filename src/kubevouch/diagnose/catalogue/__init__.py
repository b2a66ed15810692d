"""The catalogue defines each finding once: its code in `codes.py`, the rest in `findings.toml`."""

import shlex
import tomllib
from enum import StrEnum
from importlib.resources import files
from typing import Any

import msgspec

from kubevouch.diagnose.catalogue.codes import CSR_NOT_SERVED, ON_THE_WIRE, Code, Section
from kubevouch.outcome import Severity


class CountsIn(StrEnum):
    """The verbs in which a finding counts."""

    DOCTOR = "doctor"
    VERIFY = "verify"
    GATE = "gate"
    """The gates of `apply`, for the current node."""


class FindingDefinition(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    """Everything about a code. `explain` prints it, and docs/reference/findings/ is generated from it.

    `cause`, `next` and `by_hand` are templates for str.format. They may name {title}, {subject}
    (the first), {subjects} (the first few), {where} (the subjects in brackets, or nothing), and the
    rule's details.
    """

    code: Code
    name: str
    severity: Severity
    see: str
    """What an operator sees."""

    why: str
    """The reason, in a sentence or two."""

    do: str
    """What fixes it: a command where there is one."""

    related: tuple[str, ...] = ()
    """Numbers in the CIS Kubernetes Benchmark, and upstream issues."""

    counts_in: frozenset[CountsIn] = frozenset({CountsIn.DOCTOR})
    symptom_of: tuple[Code, ...] = ()
    """Codes that may explain this one, the likeliest first."""

    cause_rank: int | None = None
    """The order of several causes, lowest first; None if the finding is never a cause."""

    cause: str = "{title}{where}."
    """The sentence after CAUSE."""

    next: tuple[str, ...] = ()
    """The NEXT command, as a list of arguments; if empty, `kubevouch explain CODE`."""

    by_hand: str = ""
    """What to do by hand if the command is not enough, in one sentence."""

    by_maker: bool = False
    """Whether a plan or kubeadm fixes the finding. In a cluster that another tool made, that tool's own way replaces both."""

    elsewhere: tuple[str, ...] = ()
    """The NEXT command on such a cluster, if the maker's way does not help. May name {subject} and
    {csr}."""


PLAN = ("kubevouch", "plan", "-o", "plan.json", "--via", "ssh")
INSTALL_APPROVER = (
    "kubevouch approver install --image REGISTRY/kubevouch@sha256:DIGEST --new-nodes hold"
)
"""Only the operator knows the name of the image."""

_GROUPS = {"on-the-wire": ON_THE_WIRE, "csr-not-served": CSR_NOT_SERVED}
"""Groups of codes that `symptomOf` may name."""


def _definition(code: str, fields: dict[str, Any]) -> FindingDefinition:
    for each in ("next", "elsewhere"):
        fields[each] = shlex.split(fields.get(each, ""))
    behind = (_GROUPS.get(each, (each,)) for each in fields.get("symptomOf", ()))
    fields["symptomOf"] = [str(each) for group in behind for each in group]
    return msgspec.convert({**fields, "code": code}, FindingDefinition)


def _catalogue() -> dict[str, FindingDefinition]:
    text = files(__name__).joinpath("findings.toml").read_text(encoding="utf-8")
    return {code: _definition(code, fields) for code, fields in tomllib.loads(text).items()}


CATALOGUE = _catalogue()
"""The definitions by code, in order."""

__all__ = ["CATALOGUE", "Code", "CountsIn", "FindingDefinition", "Section", "Severity"]
