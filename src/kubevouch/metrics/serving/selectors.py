"""Label and field selectors, as apimachinery's pkg/labels and pkg/fields read them."""

import re
from collections.abc import Callable, Mapping
from typing import Final

from kubevouch.errors import KubevouchError

Labels = Mapping[str, str]
Matches = Callable[[Labels], bool]

_LONGEST: Final = 16 * 1024
_KEY: Final = (
    r"(?:[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
)
_VALUE: Final = r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?"
_TERM: Final = re.compile(
    rf"\s*(?:(?P<key>{_KEY})\s*(?P<sign>==|=|!=|>|<)\s*(?P<value>{_VALUE})"
    rf"|(?P<listed>{_KEY})\s+(?P<word>in|notin)\s*\((?P<values>[^()]*)\)"
    rf"|(?P<absent>!?)\s*(?P<there>{_KEY}))\s*(?:,|$)"
)
_FIELDS: Final = ("metadata.name", "metadata.namespace")
_FIELD: Final = re.compile(r"(?P<field>.*?)(?P<sign>!=|==|=)(?P<value>.*)", re.DOTALL)


class SelectorError(KubevouchError):
    """An invalid selector. Its text is the one for the response."""

    def __str__(self) -> str:
        return self.seen


def label_selector(text: str) -> Matches:
    """A predicate for `a=b,c!=d,e in (f,g),!h,i`: all terms must match. Raises SelectorError."""
    if len(text) > _LONGEST:
        raise SelectorError("labelSelector", f"unable to parse requirement: {len(text)} characters")
    terms: list[Matches] = []
    place = 0
    while place < len(text.rstrip()):
        found = _TERM.match(text, place)
        if found is None:
            rest = text[place : place + 60]
            raise SelectorError("labelSelector", f"unable to parse requirement: found {rest!r}")
        terms.append(_term(found))
        place = found.end()
    return lambda labels: all(term(labels) for term in terms)


def _term(found: re.Match[str]) -> Matches:
    if key := found["key"]:
        return _compared(key, found["sign"], found["value"])
    if key := found["listed"]:
        values = frozenset(value.strip() for value in found["values"].split(","))
        if not all(re.fullmatch(_VALUE, value) for value in values):
            raise SelectorError("labelSelector", f"unable to parse requirement: values of {key}")
        if found["word"] == "in":
            return lambda labels: labels.get(key) in values
        return lambda labels: labels.get(key) not in values
    key, absent = found["there"], bool(found["absent"])
    return lambda labels: (key in labels) is not absent


def _compared(key: str, sign: str, value: str) -> Matches:
    if sign in "==":
        return lambda labels: labels.get(key) == value
    if sign == "!=":
        return lambda labels: labels.get(key) != value
    limit = _number(value)
    if limit is None:
        text = "for 'Gt', 'Lt' operators, the value must be an integer"
        raise SelectorError("labelSelector", f"unable to parse requirement: {text}")

    def matches(labels: Labels) -> bool:
        number = _number(labels.get(key, ""))
        if number is None:
            return False
        return number > limit if sign == ">" else number < limit

    return matches


def _number(text: str) -> int | None:
    """An integer as Go's strconv.ParseInt reads it with 64 bits; None if it is not one."""
    if not re.fullmatch(r"-?[0-9]{1,19}", text):
        return None
    number = int(text)
    return number if -(2**63) <= number < 2**63 else None


def field_selector(text: str) -> Callable[[str, str], bool]:
    """A predicate on namespace and name, for `metadata.name=a,metadata.namespace!=b`. Raises SelectorError."""
    if len(text) > _LONGEST:
        raise SelectorError("fieldSelector", f"invalid selector: {len(text)} characters")
    terms: list[tuple[bool, bool, str]] = []
    for term in re.split(r"(?<!\\),", text):
        if not term:
            continue
        found = _FIELD.fullmatch(term)
        if found is None:
            raise SelectorError(
                "fieldSelector", f"invalid selector: '{text}'; can't understand '{term}'"
            )
        if found["field"] not in _FIELDS:
            known = ", ".join(f'"{field}"' for field in _FIELDS)
            seen = f'"{found["field"]}" is not a known field selector: only {known}'
            raise SelectorError("fieldSelector", seen)
        value = re.sub(r"\\([\\,=])", r"\1", found["value"])
        terms.append((found["field"] == "metadata.name", found["sign"] != "!=", value))

    def matches(namespace: str, name: str) -> bool:
        return all(
            ((name if by_name else namespace) == value) is wanted
            for by_name, wanted, value in terms
        )

    return matches
