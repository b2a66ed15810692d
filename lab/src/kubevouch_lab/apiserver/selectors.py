"""labelSelector and fieldSelector, as apimachinery's pkg/labels/selector.go and pkg/fields/selector.go read them."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kubevouch_lab.apiserver.kinds import NAMES
from kubevouch_lab.apiserver.status import bad_request
from kubevouch_lab.objects import ReadOnlyObject, labels_of

Matches = Callable[[ReadOnlyObject], bool]
Labels = Mapping[str, str]
Term = Callable[[Labels], bool]

_COMMA = re.compile(r",(?![^(]*\))")
_KEY = r"(?P<key>[A-Za-z0-9]([-A-Za-z0-9_./]*[A-Za-z0-9])?)"
_SET = re.compile(rf"^{_KEY}\s+(?P<op>in|notin)\s*\((?P<values>[^()]*)\)$")
_EQUAL = re.compile(rf"^{_KEY}\s*(?P<op>!=|==|=)\s*(?P<value>[-A-Za-z0-9_.]*)$")
_EXISTS = re.compile(rf"^(?P<not>!\s*)?{_KEY}$")
_ESCAPED = re.compile(r"\\(.)")


def labels_match(selector: str) -> Matches:
    """`a=b, c!=d, e in (f, g), h notin (i), !j, k`: all of them hold. What cannot be read is a 400."""
    if not selector.strip():
        return _anything
    return _all_hold([_label_term(term.strip(), selector) for term in _COMMA.split(selector)])


def fields_match(selector: str, fields: Sequence[str] = NAMES) -> Matches:
    """`metadata.name=a,spec.signerName!=b`; a field that is not one of `fields` is refused with 400."""
    terms: list[tuple[list[str], bool, str]] = []
    for term in filter(None, re.split(r"(?<!\\),", selector)):
        found = re.match(r"^\s*(?P<path>[^=!]+?)\s*(?P<sign>!=|==|=)\s*(?P<value>.*?)\s*$", term)
        if not found:
            raise bad_request(f"invalid selector: '{selector}'; can't understand '{term}'")
        if found["path"] not in fields:
            raise bad_request(_not_selectable(found["path"], fields))
        value = _ESCAPED.sub(r"\1", found["value"])
        terms.append((found["path"].split("."), found["sign"] != "!=", value))
    if not terms:
        return _anything
    return lambda thing: all((_at(thing, path) == value) is wanted for path, wanted, value in terms)


def exact(selector: str, field: str) -> str:
    """The one value that a field selector asks of a field, or an empty string."""
    for term in selector.split(","):
        path, sign, value = term.partition("=")
        if sign and path.strip() == field:
            return value.removeprefix("=").strip()
    return ""


def selected_by(selector: Mapping[str, Any] | None) -> Matches:
    """metav1.LabelSelector: matchLabels and matchExpressions. None selects nothing, an empty one everything."""
    if selector is None:
        return lambda _: False
    wanted: Labels = selector.get("matchLabels") or {}
    terms = [_term(key, "In", {value}) for key, value in wanted.items()]
    for each in selector.get("matchExpressions") or []:
        operator = each.get("operator", "")
        terms.append(_term(each.get("key", ""), operator, set(each.get("values") or ())))
    return _all_hold(terms)


def _anything(_: ReadOnlyObject) -> bool:
    return True


def _all_hold(terms: list[Term]) -> Matches:
    def matches(thing: ReadOnlyObject) -> bool:
        labels = labels_of(thing)
        return all(term(labels) for term in terms)

    return matches


def _label_term(term: str, whole: str) -> Term:
    if found := _SET.match(term):
        values = {value.strip() for value in found["values"].split(",")}
        return _term(found["key"], "In" if found["op"] == "in" else "NotIn", values)
    if found := _EQUAL.match(term):
        operator = "NotIn" if found["op"] == "!=" else "In"
        return _term(found["key"], operator, {found["value"]})
    if found := _EXISTS.match(term):
        return _term(found["key"], "DoesNotExist" if found["not"] else "Exists", set())
    raise bad_request(f"unable to parse requirement: found '{term}' in '{whole}'")


def _term(key: str, operator: str, values: set[str]) -> Term:
    match operator:
        case "In":
            return lambda labels: labels.get(key) in values
        case "NotIn":
            return lambda labels: labels.get(key) not in values
        case "Exists":
            return lambda labels: key in labels
        case "DoesNotExist":
            return lambda labels: key not in labels
    raise bad_request(f'"{operator}" is not a valid label selector operator')


def _not_selectable(path: str, fields: Sequence[str]) -> str:
    if tuple(fields) == NAMES:  # apimachinery's DefaultMetaV1FieldSelectorConversion
        return f'"{path}" is not a known field selector: only "metadata.name", "metadata.namespace"'
    return f"field label not supported: {path}"


def _at(thing: Any, path: list[str]) -> str:  # noqa: ANN401 - a walk through decoded JSON
    for step in path:
        thing = thing.get(step, "") if isinstance(thing, Mapping) else ""
    return str(thing).lower() if isinstance(thing, bool) else str(thing)
