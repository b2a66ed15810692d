"""Label and field selectors, parsed like apimachinery's pkg/labels/selector.go and pkg/fields/selector.go.

They work exactly like Go's: tests/metrics_api replays Go's results (real/oracle/list_options).
"""

import re
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from kubevouch.errors import KubevouchError
from kubevouch.serve.messages import HttpRequest

Labels = Mapping[str, str]
Matches = Callable[[Labels], bool]

_TOKEN: Final = re.compile(r"!=|==|[=!(),><]|[^=!(),>< \t\r\n]+")
_SIGNS: Final = frozenset({"!=", "==", *"=!(),><"})
_NAME: Final = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_DOMAIN: Final = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
_KEY: Final = re.compile(f"(?:(?P<domain>{_DOMAIN})/)?(?P<name>{_NAME})")
_LONGEST_NAME: Final = 63
_LONGEST_DOMAIN: Final = 253
_ONE_EFFORT: Final = 128
"""The number of selector characters for one unit of `Selection.effort`.

A request can have 8,000 characters, enough for 2,000 requirements.
"""

_FIELDS: Final = ("metadata.name", "metadata.namespace")
_PART: Final = re.compile(r"(?:[^\\,]|\\.|\\$)+", re.DOTALL)
_TERM: Final = re.compile(
    r"(?P<field>.*?)(?P<sign>!=|==|=)(?P<value>(?:[^\\,=]|\\[\\,=])*)", re.DOTALL
)


class SelectorError(KubevouchError):
    """A selector cannot be parsed. The text is sent in the response."""

    def __init__(self, text: str) -> None:
        super().__init__("selector", text)

    def __str__(self) -> str:
        return self.seen


@dataclass(frozen=True, slots=True)
class Selection:
    """Decides which objects a list contains.

    labels: a predicate on labels. fields: a predicate on namespace and name. everything: whether
    both are always true. effort: the time to check one object, as a multiple of that for an
    ordinary selector.
    """

    labels: Matches
    fields: Callable[[str, str], bool]
    everything: bool = False
    effort: int = 1


def selection_of(request: HttpRequest) -> Selection:
    """The selection in a list request.

    Raises SelectorError. limit and resourceVersion have no effect: a list is complete and current.
    """
    texts = [request.query_value(name) for name in ("labelSelector", "fieldSelector")]
    return Selection(
        label_selector(texts[0]),
        field_selector(texts[1]),
        everything=not any(texts),
        effort=1 + sum(map(len, texts)) // _ONE_EFFORT,
    )


def label_selector(text: str) -> Matches:
    """A predicate for `a=b,c!=d,e in (f,g),!h,i`: all requirements must match. Raises SelectorError."""
    tokens = deque(_TOKEN.findall(text))
    requirements = [_requirement(tokens)] if tokens else []
    while tokens:
        if (sign := tokens.popleft()) != ",":
            raise SelectorError(f"unable to parse requirement: found '{sign}', expected: ','")
        requirements.append(_requirement(tokens))
    if len(requirements) == 1:
        return requirements[0]
    return lambda labels: all(matches(labels) for matches in requirements)


def _word(tokens: deque[str]) -> str:
    word = tokens.popleft() if tokens else ""
    if not word or word in _SIGNS:
        raise SelectorError(f"unable to parse requirement: found '{word}', expected: identifier")
    return word


def _requirement(tokens: deque[str]) -> Matches:
    absent = bool(tokens) and tokens[0] == "!"
    if absent:
        tokens.popleft()
    key = _word(tokens)
    read = _KEY.fullmatch(key)
    if (
        read is None
        or len(read["name"]) > _LONGEST_NAME
        or len(read["domain"] or "") > _LONGEST_DOMAIN
    ):
        raise SelectorError(f"unable to parse requirement: Invalid value: {key!r}: not a label key")
    if absent:
        return lambda labels: key not in labels
    if not tokens or tokens[0] == ",":
        return lambda labels: key in labels
    sign = tokens.popleft()
    if sign in {"in", "notin"}:
        return _compared(key, sign, _values(tokens))
    if sign not in {"=", "==", "!=", ">", "<"}:
        raise SelectorError(f"unable to parse requirement: found '{sign}', expected: an operator")
    value = "" if not tokens or tokens[0] == "," else _word(tokens)
    return _compared(key, sign, {value})


def _values(tokens: deque[str]) -> set[str]:
    """Parses values in parentheses. A missing value next to a comma is an empty string."""
    if not tokens or tokens.popleft() != "(" or ")" not in tokens:
        raise SelectorError("unable to parse requirement: expected: values in parentheses")
    found = [""]
    while (word := tokens.popleft()) != ")":
        if word == ",":
            found.append("")
            continue
        if found[-1] or word in _SIGNS:
            raise SelectorError(f"unable to parse requirement: found '{word}', expected: ',', ')'")
        found[-1] = word
    return set(found)


def _compared(key: str, sign: str, values: set[str]) -> Matches:
    for value in values:
        if len(value) > _LONGEST_NAME or (value and not re.fullmatch(_NAME, value)):
            text = f"unable to parse requirement: Invalid value: {value!r}: not a label value"
            raise SelectorError(text)
    if sign in {"=", "==", "in"}:
        return lambda labels: labels.get(key) in values
    if sign in {"!=", "notin"}:
        return lambda labels: labels.get(key) not in values
    limit = _integer(*values)
    if limit is None:
        raise SelectorError("unable to parse requirement: '<' and '>' expect an integer")

    def matches(labels: Labels) -> bool:
        number = _integer(labels.get(key, ""))
        if number is None:
            return False
        return number > limit if sign == ">" else number < limit

    return matches


def _integer(text: str) -> int | None:
    """An integer like Go's strconv.ParseInt with 64 bits; else None."""
    if not re.fullmatch(r"[+-]?[0-9]{1,64}", text):
        return None
    number = int(text)
    return number if -(2**63) <= number < 2**63 else None


def field_selector(text: str) -> Callable[[str, str], bool]:
    """A predicate on namespace and name for `metadata.name=a,metadata.namespace!=b`.

    Raises SelectorError.
    """
    terms = []
    for part in _PART.findall(text):
        read = _TERM.fullmatch(part)
        if read is None or read["field"] not in _FIELDS:
            known = " or ".join(_FIELDS)
            raise SelectorError(f"invalid selector: '{text}'; expected {known}, found '{part}'")
        value = re.sub(r"\\(.)", r"\1", read["value"], flags=re.DOTALL)
        terms.append((read["field"] == _FIELDS[0], value, read["sign"] != "!="))
    return lambda namespace, name: all(
        ((name if by_name else namespace) == value) is wanted for by_name, value, wanted in terms
    )
