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
    text = json.dumps(msgspec.to_builtins(document), ensure_ascii=True)
    terminal.out(text.replace("\x7f", "\\u007f"))
