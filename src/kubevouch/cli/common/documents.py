"""JSON documents: each states its schema and the version of kubevouch, in the same way for every verb."""

import json
from collections.abc import Mapping

import msgspec

from kubevouch import __version__
from kubevouch.cli.common.terminal import Terminal


def print_document(terminal: Terminal, schema: str, content: Mapping[str, object]) -> None:
    """One line of JSON. schema: a name, and a number that grows when a field goes or changes its meaning.

    In ASCII: what others have said cannot move a cursor, and no escape of ours gets between the JSON's own.
    """
    document = {"schemaVersion": schema, "kubevouch": __version__, **content}
    text = json.dumps(_redacted(msgspec.to_builtins(document), terminal), ensure_ascii=True)
    terminal.out(text.replace("\x7f", "\\u007f"))


def _redacted(value: object, terminal: Terminal) -> object:
    """The same with every text as the terminal shows it. Names of fields are our own."""
    if isinstance(value, str):
        return terminal.redaction(value)
    if isinstance(value, Mapping):
        return {key: _redacted(each, terminal) for key, each in value.items()}
    if isinstance(value, list):
        return [_redacted(each, terminal) for each in value]
    return value
