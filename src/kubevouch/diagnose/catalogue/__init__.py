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
    """The commands and checks that report a finding."""

    DOCTOR = "doctor"
    VERIFY = "verify"
    GATE = "gate"
    """The checks that `apply` makes on the node that it is changing."""


class FindingDefinition(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    """Everything about a code. `explain` prints it, and docs/reference/findings/ is generated from it.

    `cause`, `next` and `by_hand` are templates for str.format. They may contain {title}, {subject}
    (the first subject), {subjects} (the first few), {where} (the same in brackets), and the keys of
    the `details` that the rule passes to `finding`.
    """

    code: Code
    name: str
    severity: Severity
    see: str
    """What an operator sees."""

    why: str
    """Why the operator sees this."""

    do: str
    """How to fix it, with a command if possible."""

    related: tuple[str, ...] = ()
    """CIS Kubernetes Benchmark numbers and upstream issues."""

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
    """Whether a plan or kubeadm fixes the finding. On clusters that another tool made, advice for
    that tool is shown instead."""

    elsewhere: tuple[str, ...] = ()
    """The NEXT command on clusters that another tool made, if it differs. May contain {subject} and
    {csr}."""


PLAN = ("kubevouch", "plan", "-o", "plan.json", "--via", "ssh")
INSTALL_APPROVER = (
    "kubevouch approver install --image REGISTRY/kubevouch@sha256:DIGEST --new-nodes hold"
)
"""The operator replaces REGISTRY and DIGEST."""

_GROUPS = {"on-the-wire": ON_THE_WIRE, "csr-not-served": CSR_NOT_SERVED}
"""Groups of codes. In findings.toml, `symptomOf` may contain their names."""


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
"""All definitions, by code."""

__all__ = ["CATALOGUE", "Code", "CountsIn", "FindingDefinition", "Section", "Severity"]
