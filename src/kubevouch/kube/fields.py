"""Reads typed fields from a decoded YAML or JSON mapping, by the rules of Go's JSON decoder.

Null means absent, unknown fields are ignored, and names are case-sensitive. A value of another type is an error that
names the field but not the value, which may be a secret.
"""

import base64
import binascii
from collections.abc import Iterator

from kubevouch.goyaml import Value
from kubevouch.kube.errors import KubeconfigError

_KINDS = {
    bool: "a boolean",
    int: "a number",
    float: "a number",
    str: "text",
    list: "a list",
    dict: "a mapping",
}


class Fields:
    """A mapping at `where`, read field by field.

    whole: the mapping is a whole file, so that messages name its fields `FILE: users` and `FILE: users.token`.
    """

    def __init__(self, mapping: dict[str, Value], where: str, *, whole: bool = False) -> None:
        self._mapping = mapping
        self.where = where
        self._joint = ": " if whole else "."

    @classmethod
    def of(cls, value: Value, where: str, *, whole: bool = False) -> "Fields":
        """The fields of a decoded value, which must be a mapping; null is an empty one."""
        if not isinstance(value, dict | None):
            raise KubeconfigError(where, _KINDS[type(value)], "a mapping was expected")
        return cls(value or {}, where, whole=whole)

    def place(self, name: str) -> str:
        """The position of a field, for a message."""
        return f"{self.where}{self._joint}{name}"

    def wrong(self, name: str, seen: str, expected: str = "") -> KubeconfigError:
        """An error about a field."""
        return KubeconfigError(self.place(name), seen, expected)

    def text(self, name: str) -> str:
        """A string, "" if absent."""
        return self._typed(name, str, "text was expected: put it in quotes") or ""

    def flag(self, name: str) -> bool:
        """A boolean, False if absent."""
        return self._typed(name, bool, "true or false was expected, without quotes") or False

    def data(self, name: str) -> bytes:
        """Base64 text, decoded as Go's []byte: line breaks are ignored, padding is required."""
        text = self._typed(name, str, "base64 text was expected") or ""
        try:
            return base64.b64decode(text.replace("\n", "").replace("\r", ""), validate=True)
        except (binascii.Error, ValueError):
            expected = "put there what `base64 -w0 FILE` prints, or name the file without -data"
            raise self.wrong(name, "not base64", expected) from None

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of strings, () if absent."""
        found = self._typed(name, list, "a list of texts was expected") or []
        for index, item in enumerate(found):
            if not isinstance(item, str | None):
                raise self.wrong(
                    f"{name}[{index}]", _KINDS[type(item)], "text was expected: put it in quotes"
                )
        return tuple(item or "" for item in found)

    def texts_by_key(self, name: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """A mapping of lists of strings, in the order of its keys."""
        inner = self.inner(name)
        return tuple((key, inner.texts(key)) for key in inner.known()) if inner else ()

    def known(self) -> list[str]:
        """The names of all fields, sorted."""
        return sorted(self._mapping)

    def inner(self, name: str) -> "Fields | None":
        """A mapping, None if absent."""
        found = self._typed(name, dict, "a mapping was expected")
        return None if found is None else Fields(found, self.place(name))

    def items(self, name: str) -> "Iterator[Fields]":
        """The mappings of a list; a null among them is an empty one."""
        found = self._typed(name, list, "a list was expected") or []
        for index, item in enumerate(found):
            yield Fields.of(item, f"{self.place(name)}[{index}]")

    def named(self, name: str, inner: str) -> "Iterator[tuple[str, Fields]]":
        """The entries of a list of `{name: ..., <inner>: {...}}`, such as clusters. A name that occurs twice is refused."""
        seen: set[str] = set()
        for item in self.items(name):
            called = item.text("name")
            if called in seen:
                raise self.wrong(
                    name, f'the name "{called}" stands there twice', "remove one of them"
                )
            seen.add(called)
            where = f'{self.place(name)}["{called}"]'
            yield called, Fields.of(item.raw(inner), f"{where}.{inner}")

    def raw(self, name: str) -> Value:
        """The undecoded value of a field; None if absent."""
        return self._mapping.get(name)

    def _typed(self, name: str, kind: type, expected: str) -> Value:
        value = self._mapping.get(name)
        if value is None or type(value) is kind:
            return value
        raise self.wrong(name, _KINDS[type(value)], expected)
