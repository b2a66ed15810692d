"""The catalogue declares each finding once: its code in `codes.py`, and the rest in `findings.toml`."""

import shlex
import tomllib
from enum import StrEnum
from importlib.resources import files
from typing import Any

import msgspec

from kubevouch.diagnose.catalogue.codes import CSR_NOT_SERVED, ON_THE_WIRE, Code, Section
from kubevouch.outcome import Severity


class CountsIn(StrEnum):
    """Where a finding counts."""

    DOCTOR = "doctor"
    VERIFY = "verify"
    GATE = "gate"
    """The gates of `apply`, for the current node."""


class FindingDefinition(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """All about a code. `explain` prints it, and docs/reference/findings/ is generated from it.

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
    """The reason behind it, in a sentence or two."""

    do: str
    """What fixes it: a command where there is one."""

    related: tuple[str, ...] = ()
    """Numbers that others gave it (CIS Kubernetes Benchmark), and upstream issues."""

    counts_in: frozenset[CountsIn] = frozenset({CountsIn.DOCTOR})
    symptom_of: tuple[Code, ...] = ()
    """Codes that may explain it. The first one found about the same subjects counts."""

    cause_rank: int | None = None
    """Among several causes the lowest rank comes first; None: never a cause."""

    cause: str = "{title}{where}."
    """The sentence after CAUSE."""

    next: tuple[str, ...] = ()
    """The words of the NEXT command; empty: `kubevouch explain CODE`."""

    by_hand: str = ""
    """What only a person can do, if the command does not fix it: one sentence."""

    by_maker: bool = False
    """Whether a plan or kubeadm fixes it. On a cluster that kubeadm did not make, its maker's
    own way replaces both."""

    elsewhere: tuple[str, ...] = ()
    """The words of the NEXT command on such a cluster, if the maker's way does not help. May
    name {subject} and {csr}."""


PLAN = ("kubevouch", "plan", "-o", "plan.json", "--via", "ssh")
INSTALL_APPROVER = (
    "kubevouch approver install --image REGISTRY/kubevouch@sha256:DIGEST --new-nodes hold"
)
"""A hint: only the operator knows the name of the image."""


_SPELLED = dict(
    zip(
        FindingDefinition.__struct_fields__, FindingDefinition.__struct_encode_fields__, strict=True
    )
)
"""The fields in JSON, by their names in Python and in findings.toml."""
_GROUPS = {"on-the-wire": ON_THE_WIRE, "csr-not-served": CSR_NOT_SERVED}
"""Groups of codes that `symptom_of` may name."""


def _definition(code: str, fields: dict[str, Any]) -> FindingDefinition:
    for each in ("next", "elsewhere"):
        fields[each] = shlex.split(fields.get(each, ""))
    behind = (_GROUPS.get(each, (each,)) for each in fields.get("symptom_of", ()))
    fields["symptom_of"] = [str(each) for group in behind for each in group]
    spelled = {_SPELLED[name]: value for name, value in fields.items()}
    return msgspec.convert({**spelled, "code": code}, FindingDefinition)


def _catalogue() -> dict[str, FindingDefinition]:
    text = files(__name__).joinpath("findings.toml").read_text(encoding="utf-8")
    return {code: _definition(code, fields) for code, fields in tomllib.loads(text).items()}


CATALOGUE = _catalogue()
"""The definitions by code, in order."""

__all__ = ["CATALOGUE", "Code", "CountsIn", "FindingDefinition", "Section", "Severity"]
