"""Values as YAML, for people to read: in a diff, say."""

from typing import Final

import yaml

from kubevouch.goyaml.reader import Value
from kubevouch.goyaml.scalars import plain_scalar

_UNFOLDED: Final = 10_000


class _Writer(yaml.SafeDumper):
    """Texts of several lines stand line by line."""


def _text(writer: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return writer.represent_scalar("tag:yaml.org,2002:str", value, style=_style(value))


def _style(text: str) -> str | None:
    """Quotes where Go would read something else: PyYAML takes `1e3` for a text."""
    if "\n" in text:
        return "|"
    try:
        return None if plain_scalar(text) == text else '"'
    except ValueError:
        return '"'


_Writer.add_representer(str, _text)


def written(value: Value) -> str:
    """A block in YAML, its keys in one order. What does not print, and what is not ASCII, is escaped."""
    text: str = yaml.dump(value, Dumper=_Writer, default_flow_style=False, width=_UNFOLDED)
    return text
