"""The catalogue, which declares each finding once: its code in `codes.py`, and what is known of it in `findings.toml`."""

import shlex
import tomllib
from importlib.resources import files
from typing import Any

import msgspec

from kubevouch.diagnose.catalogue.codes import CSR_NOT_SERVED, ON_THE_WIRE, Code, Section
from kubevouch.diagnose.catalogue.definition import CountsIn, FindingDefinition, Severity

_GROUPS = {"on-the-wire": ON_THE_WIRE, "csr-not-served": CSR_NOT_SERVED}
"""What `symptom_of` may name in place of each code."""


def _definition(code: str, fields: dict[str, Any]) -> FindingDefinition:
    for name in ("next", "next_of_release"):
        fields[name] = shlex.split(fields.get(name, ""))
    behind = (_GROUPS.get(each, (each,)) for each in fields.get("symptom_of", ()))
    fields["symptom_of"] = [str(each) for group in behind for each in group]
    return msgspec.convert({**fields, "code": code}, FindingDefinition)


def _catalogue() -> dict[str, FindingDefinition]:
    text = files(__name__).joinpath("findings.toml").read_text(encoding="utf-8")
    return {code: _definition(code, fields) for code, fields in tomllib.loads(text).items()}


CATALOGUE = _catalogue()
"""The definitions by code, in order."""

__all__ = ["CATALOGUE", "Code", "CountsIn", "FindingDefinition", "Section", "Severity"]
