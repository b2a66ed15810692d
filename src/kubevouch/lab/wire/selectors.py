"""Label and field selectors, as the API server reads them (apimachinery's pkg/labels and pkg/fields)."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from kubevouch.lab.wire.status import bad_request

Object = Mapping[str, Any]
Matches = Callable[[Object], bool]

# Which fields may be selected on, beside metadata.name and metadata.namespace; every registry has its own list.
_FIELDS = {
    "spec.signerName",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.phase",
    "spec.unschedulable",
    "type",
}

_IN = re.compile(r"^(?P<key>\S+)\s+(?P<not>not)?in\s*\((?P<values>[^)]*)\)$")
_COMMA = re.compile(r",(?![^(]*\))")


def labels_match(selector: str) -> Matches:
    """`a=b, c!=d, e in (f, g), !h, i`: all of them hold."""
    terms = [_label_term(term.strip()) for term in _COMMA.split(selector) if term.strip()]

    def matches(thing: Object) -> bool:
        labels = thing.get("metadata", {}).get("labels") or {}
        return all(term(labels) for term in terms)

    return matches


def _label_term(term: str) -> Callable[[Mapping[str, str]], bool]:
    if found := _IN.match(term):
        key, values = found["key"], {value.strip() for value in found["values"].split(",")}
        if found["not"]:
            return lambda labels: labels.get(key) not in values
        return lambda labels: labels.get(key) in values
    for sign in ("!=", "==", "="):
        if sign in term:
            key, value = (part.strip() for part in term.split(sign, 1))
            if sign == "!=":
                return lambda labels: labels.get(key) != value
            return lambda labels: labels.get(key) == value
    if term.startswith("!"):
        return lambda labels: term[1:].strip() not in labels
    return lambda labels: term in labels


def fields_match(selector: str) -> Matches:
    """`metadata.name=a,spec.signerName!=b`; a field that is not indexed is refused with 400."""
    terms: list[tuple[list[str], bool, str]] = []
    for term in filter(None, selector.split(",")):
        path, sign, value = re.split(r"(!=|==?)", term, maxsplit=1)
        if path not in _FIELDS and path not in {"metadata.name", "metadata.namespace"}:
            raise bad_request(f"field label not supported: {path}")
        terms.append((path.split("."), sign != "!=", value))

    def matches(thing: Object) -> bool:
        return all((_at(thing, path) == value) is wanted for path, wanted, value in terms)

    return matches


def _at(thing: Any, path: list[str]) -> str:  # noqa: ANN401 - a walk through decoded JSON
    for step in path:
        thing = thing.get(step, "") if isinstance(thing, Mapping) else ""
    return str(thing).lower() if isinstance(thing, bool) else str(thing)
