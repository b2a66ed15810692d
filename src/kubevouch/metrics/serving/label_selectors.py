"""Label selectors, read step by step as apimachinery's pkg/labels/selector.go does, with its texts for what is wrong.

Go's own answers are replayed by tests/metrics_api (real/oracle/list_options).
"""

import re
from collections.abc import Callable, Mapping
from typing import Final

from kubevouch.errors import KubevouchError
from kubevouch.x509.gotext import quote

Labels = Mapping[str, str]
Matches = Callable[[Labels], bool]

_SPECIAL: Final = frozenset("=!(),><")
_BLANK: Final = frozenset(" \t\r\n")
_TOKENS: Final = frozenset({")", ",", "!", "==", "=", ">", "in", "<", "!=", "notin", "("})
_SIGNS: Final = ("in", "notin", "=", "==", "!=", ">", "<")
_WORDS: Final = "in, notin, =, ==, !=, gt, lt"
_IDENTIFIER: Final = "identifier"
_END: Final = "end"
_ERROR: Final = "error"

_NAME: Final = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_VALUE: Final = f"({_NAME})?"
_DOMAIN: Final = "[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
_MADE_OF: Final = "consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
_BAD_NAME: Final = f"must {_MADE_OF} (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '{_NAME}')"
_BAD_VALUE: Final = (
    f"a valid label must be an empty string or {_MADE_OF} "
    f"(e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '{_VALUE}')"
)
_BAD_DOMAIN: Final = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "
    f"and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '{_DOMAIN}')"
)
_LONGEST_NAME: Final = 63
_LONGEST_DOMAIN: Final = 253


class SelectorError(KubevouchError):
    """A selector that cannot be read. Its text is the one for the response."""

    def __init__(self, text: str) -> None:
        super().__init__("selector", text)

    def __str__(self) -> str:
        return self.seen


def label_selector(text: str) -> Matches:
    """A predicate for `a=b,c!=d,e in (f,g),!h,i`: all requirements must match. Raises SelectorError."""
    requirements = _Parser(text).requirements()
    if len(requirements) == 1:
        return requirements[0]
    return lambda labels: all(matches(labels) for matches in requirements)


class _Lexer:
    def __init__(self, text: str) -> None:
        self._text = text
        self._place = 0

    def _read(self) -> str:
        """The next character; NUL at the end, as in Go."""
        if self._place == len(self._text):
            return "\0"
        self._place += 1
        return self._text[self._place - 1]

    def token(self) -> tuple[str, str]:
        """The next token and its literal. A keyword is its own token."""
        character = self._read()
        while character in _BLANK:
            character = self._read()
        if character == "\0":
            return _END, ""
        self._place -= 1
        return self._symbol() if character in _SPECIAL else self._word()

    def _word(self) -> tuple[str, str]:
        found = ""
        while (character := self._read()) != "\0":
            if character in _SPECIAL or character in _BLANK:
                self._place -= 1
                break
            found += character
        return (found if found in _TOKENS else _IDENTIFIER), found

    def _symbol(self) -> tuple[str, str]:
        """The longest operator that begins here."""
        last, buffer = "", ""
        while (character := self._read()) != "\0":
            if character not in _SPECIAL:
                self._place -= 1
                break
            buffer += character
            if buffer in _TOKENS:
                last = buffer
            elif last:
                self._place -= 1
                break
        if not last:
            return _ERROR, f"error expected: keyword found '{buffer}'"
        return last, last


class _Parser:
    def __init__(self, text: str) -> None:
        lexer = _Lexer(text)
        self._tokens = [lexer.token()]
        while self._tokens[-1][0] != _END:
            self._tokens.append(lexer.token())
        self._place = 0

    def _next(self, *, as_value: bool = True) -> tuple[str, str]:
        """The next token, without taking it. as_value: `in` and `notin` are identifiers there."""
        sign, literal = self._tokens[self._place]
        return (_IDENTIFIER if as_value and sign in {"in", "notin"} else sign), literal

    def _take(self, *, as_value: bool = True) -> tuple[str, str]:
        found = self._next(as_value=as_value)
        self._place += 1
        return found

    def requirements(self) -> list[Matches]:
        found: list[Matches] = []
        while True:
            sign, literal = self._next()
            if sign == _END:
                return found
            if sign not in {_IDENTIFIER, "!"}:
                raise SelectorError(
                    f"found '{literal}', expected: !, identifier, or 'end of string'"
                )
            try:
                found.append(self._requirement())
            except SelectorError as error:
                raise SelectorError(f"unable to parse requirement: {error}") from None
            sign, literal = self._take()
            if sign == _END:
                return found
            if sign != ",":
                raise SelectorError(f"found '{literal}', expected: ',' or 'end of string'")
            sign, literal = self._next()
            if sign not in {_IDENTIFIER, "!"}:
                raise SelectorError(f"found '{literal}', expected: identifier after ','")

    def _requirement(self) -> Matches:
        sign, key = self._take()
        absent = sign == "!"
        if absent:
            sign, key = self._take()
        if sign != _IDENTIFIER:
            raise SelectorError(f"found '{key}', expected: identifier")
        _check("<nil>", key, _wrong_in_key(key))
        if absent:
            return lambda labels: key not in labels
        if self._next()[0] in {_END, ","}:
            return lambda labels: key in labels
        sign, literal = self._take(as_value=False)
        if sign not in _SIGNS:
            raise SelectorError(f"found '{literal}', expected: {_WORDS}")
        values = self._values() if sign in {"in", "notin"} else {self._exact()}
        return _compared(key, sign, values)

    def _values(self) -> set[str]:
        sign, literal = self._take()
        if sign != "(":
            raise SelectorError(f"found '{literal}' expected: '('")
        sign, literal = self._next()
        if sign == ")":
            self._take()
            return {""}
        if sign not in {_IDENTIFIER, ","}:
            raise SelectorError(f"found '{literal}', expected: ',', ')' or identifier")
        found = self._listed()
        self._take()
        return found

    def _listed(self) -> set[str]:
        """Values between parentheses. Nothing before, between or after commas is the empty value."""
        found: set[str] = set()
        while True:
            sign, literal = self._take()
            if sign == _IDENTIFIER:
                found.add(literal)
                following, literal = self._next()
                if following == ")":
                    return found
                if following != ",":
                    raise SelectorError(f"found '{literal}', expected: ',' or ')'")
            elif sign == ",":
                if not found:
                    found.add("")
                following, _ = self._next()
                if following in {")", ","}:
                    found.add("")
                if following == ")":
                    return found
            else:
                raise SelectorError(f"found '{literal}', expected: ',', or identifier")

    def _exact(self) -> str:
        if self._next()[0] in {_END, ","}:
            return ""
        sign, literal = self._take()
        if sign != _IDENTIFIER:
            raise SelectorError(f"found '{literal}', expected: identifier")
        return literal


def _compared(key: str, sign: str, values: set[str]) -> Matches:
    wrong: list[str] = []
    listed = sorted(values, key=str.encode)
    if sign in {">", "<"}:
        text = "for 'Gt', 'Lt' operators, the value must be an integer"
        wrong += [
            _invalid(f"values[{place}]", value, text)
            for place, value in enumerate(listed)
            if _integer(value) is None
        ]
    for place, value in enumerate(listed):
        if faults := _wrong_in_value(value):
            wrong.append(_invalid(f"values[{place}][{key}]", value, "; ".join(faults)))
    if wrong:
        raise SelectorError(wrong[0] if len(wrong) == 1 else f"[{', '.join(wrong)}]")
    if sign in {"=", "==", "in"}:
        return lambda labels: labels.get(key) in values
    if sign in {"!=", "notin"}:
        return lambda labels: labels.get(key) not in values
    limit = _integer(listed[0])
    assert limit is not None

    def matches(labels: Labels) -> bool:
        number = _integer(labels.get(key, ""))
        if number is None:
            return False
        return number > limit if sign == ">" else number < limit

    return matches


def _integer(text: str) -> int | None:
    """An integer as Go's strconv.ParseInt reads it with 64 bits; None if it is not one."""
    if not re.fullmatch(r"[+-]?[0-9]{1,64}", text):
        return None
    number = int(text)
    return number if -(2**63) <= number < 2**63 else None


def _check(where: str, value: str, wrong: list[str]) -> None:
    if wrong:
        raise SelectorError(_invalid(where, value, "; ".join(wrong)))


def _invalid(where: str, value: str, why: str) -> str:
    """A field.Invalid error of apimachinery."""
    return f"{where}: Invalid value: {quote(value)}: {why}"


def _wrong_in_key(key: str) -> list[str]:
    """What apimachinery's IsLabelKey says."""
    *prefixes, name = key.split("/")
    if len(prefixes) > 1:
        return [
            f"a valid label key {_BAD_NAME} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        ]
    wrong: list[str] = []
    for prefix in prefixes:
        if not prefix:
            wrong.append("prefix part must be non-empty")
            continue
        if _size(prefix) > _LONGEST_DOMAIN:
            wrong.append(f"prefix part must be no more than {_LONGEST_DOMAIN} bytes")
        if not re.fullmatch(_DOMAIN, prefix):
            wrong.append(f"prefix part {_BAD_DOMAIN}")
    if not name:
        wrong.append("name part must be non-empty")
    elif _size(name) > _LONGEST_NAME:
        wrong.append(f"name part must be no more than {_LONGEST_NAME} bytes")
    if not re.fullmatch(_NAME, name):
        wrong.append(f"name part {_BAD_NAME}")
    return wrong


def _wrong_in_value(value: str) -> list[str]:
    """What apimachinery's IsValidLabelValue says."""
    wrong = []
    if _size(value) > _LONGEST_NAME:
        wrong.append(f"must be no more than {_LONGEST_NAME} bytes")
    if not re.fullmatch(_VALUE, value):
        wrong.append(_BAD_VALUE)
    return wrong


def _size(text: str) -> int:
    return len(text.encode(errors="replace"))
