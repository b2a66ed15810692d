"""The cases and Go's answers to them, as `make oracle` recorded them (see real/oracle)."""

import json
from base64 import b64decode
from functools import cache
from pathlib import Path
from typing import Any

from kubevouch.x509 import Certificate, read_certificate_der

CASES = Path(__file__).parent / "cases"
KINDS = ("certificates", "verify", "requests", "bundles")

Line = dict[str, Any]
Judged = tuple[Line, Line]
"""A case, and Go's answer."""


def lines(name: str) -> list[Line]:
    """The lines of one file."""
    text = (CASES / f"{name}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.split("\n") if line]


def judged(kind: str) -> list[Judged]:
    """Each case with Go's answer."""
    return list(zip(lines(kind), lines(f"{kind}.go"), strict=True))


def name_of(judged: Judged) -> str:
    """That of its case."""
    return str(judged[0]["case"])


@cache
def ders() -> dict[str, bytes]:
    """The DER of every certificate of the corpus."""
    return {line["case"]: b64decode(line["der"]) for line in lines("certificates")}


@cache
def certificate(name: str) -> Certificate:
    """A certificate of the corpus, as we read it."""
    return read_certificate_der(ders()[name], name)
