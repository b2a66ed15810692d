"""Field selectors, as apimachinery's pkg/fields/selector.go reads them. Only a name and a namespace can be selected by."""

from collections.abc import Callable
from typing import Final, NamedTuple

from kubevouch.metrics.serving.label_selectors import SelectorError
from kubevouch.x509.gotext import quote

_FIELDS: Final = ("metadata.name", "metadata.namespace")
_SIGNS: Final = ("!=", "==", "=")


class _Term(NamedTuple):
    field: str
    value: str
    wanted: bool


class FieldSelector:
    """A selector that could be read. Its fields may still be unknown ones."""

    def __init__(self, terms: list[_Term]) -> None:
        self._terms = terms

    def predicate(self) -> Callable[[str, str], bool]:
        """A predicate on namespace and name. Raises SelectorError if a field is not known."""
        for term in self._terms:
            if term.field not in _FIELDS:
                known = ", ".join(quote(field) for field in _FIELDS)
                raise SelectorError(
                    f"{quote(term.field)} is not a known field selector: only {known}"
                )
        terms = [(term.field == "metadata.name", term.value, term.wanted) for term in self._terms]
        return lambda namespace, name: all(
            ((name if by_name else namespace) == value) is wanted
            for by_name, value, wanted in terms
        )


def field_selector(text: str) -> FieldSelector:
    """Reads `metadata.name=a,metadata.namespace!=b`. Raises SelectorError."""
    terms = []
    for part in sorted(_split(text), key=str.encode):
        if not part:
            continue
        found = _term(part)
        if found is None:
            raise SelectorError(f"invalid selector: '{text}'; can't understand '{part}'")
        terms.append(found)
    return FieldSelector(terms)


def _split(text: str) -> list[str]:
    """The terms between commas that no backslash escapes."""
    parts, escaped = [""], False
    for character in text:
        if character == "," and not escaped:
            parts.append("")
            continue
        escaped = character == "\\" and not escaped
        parts[-1] += character
    return parts


def _term(text: str) -> _Term | None:
    for place in range(len(text)):
        for sign in _SIGNS:
            if text.startswith(sign, place):
                value = _unescaped(text[place + len(sign) :])
                return _Term(text[:place], value, sign != "!=")
    return None


def _unescaped(value: str) -> str:
    found, escaped = [], False
    for character in value:
        if escaped:
            if character not in "\\,=":
                raise SelectorError(
                    f"invalid field selector: invalid escape sequence: \\{character}"
                )
            found.append(character)
            escaped = False
        elif character == "\\":
            escaped = True
        elif character in ",=":
            why = f"unescaped character in value: {ord(character)}"
            raise SelectorError(f"invalid field selector: {why}")
        else:
            found.append(character)
    if escaped:
        raise SelectorError("invalid field selector: invalid escape sequence: \\")
    return "".join(found)
