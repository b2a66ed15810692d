"""The catalogue, which declares each finding once: its code in `codes.py`, and what is known of it in `findings.toml`."""

import shlex
import tomllib
from enum import StrEnum
from importlib.resources import files
from typing import Any

import msgspec

from kubevouch.diagnose.catalogue.codes import CSR_NOT_SERVED, ON_THE_WIRE, Code, Section
from kubevouch.outcome import Severity


class CountsIn(StrEnum):
    """The verbs that a finding counts in."""

    DOCTOR = "doctor"
    VERIFY = "verify"
    GATE = "gate"
    """The gates of `apply`, for the one node whose turn it is."""


class FindingDefinition(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What is known of a code. `explain` prints it, and docs/reference/findings/ is made from it.

    `cause`, `next` and `by_hand` are templates, as str.format reads them: {title}, {subject} (the first), {subjects}
    (the first few), {where} (the subjects in brackets, or nothing), and what the rule gives as details.
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
    """What may be behind it: the first of these that is found about the same subjects."""

    cause_rank: int | None = None
    """Of several causes the one with the lowest rank is named; None: never named as the cause."""

    cause: str = "{title}{where}."
    """The sentence after CAUSE."""

    next: tuple[str, ...] = ()
    """The words of the command after NEXT, written there as one line; if it is empty, `kubevouch explain CODE`."""

    by_hand: str = ""
    """What only a person can do about it, where the command does not fix it: one sentence."""

    by_maker: bool = False
    """Whether a plan or kubeadm mends it: on a cluster that kubeadm did not make, its maker's own way stands in place of both."""

    elsewhere: tuple[str, ...] = ()
    """The words of the command after NEXT on such a cluster, where that way does not help. It may name {subject} and {csr}."""


PLAN = ("kubevouch", "plan", "-o", "plan.json", "--via", "ssh")
INSTALL_APPROVER = (
    "kubevouch approver install --image REGISTRY/kubevouch@sha256:DIGEST --new-nodes hold"
)
"""As a hint: only whoever runs it knows the name of its image."""


_SPELLED = dict(
    zip(
        FindingDefinition.__struct_fields__, FindingDefinition.__struct_encode_fields__, strict=True
    )
)
"""The fields in JSON, by their names in Python and in findings.toml."""
_GROUPS = {"on-the-wire": ON_THE_WIRE, "csr-not-served": CSR_NOT_SERVED}
"""What `symptom_of` may name in place of each code."""


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
