"""Documents in JSON and YAML. Each document contains its schema and the version of kubevouch."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import msgspec

from kubevouch import __version__
from kubevouch.cli.common.terminal import Terminal

if TYPE_CHECKING:
    from kubevouch.x509 import Certificate


def print_document(terminal: Terminal, schema: str, content: Mapping[str, object]) -> None:
    """Prints a document as one line of JSON, or as YAML. The output is ASCII, without control characters.

    schema: a name with a version, which increases if a field is removed or changes its meaning.
    """
    document: Mapping[str, object] = {"schemaVersion": schema, "kubevouch": __version__, **content}
    print_pieces(terminal, (each.replace("\x7f", "\\u007f") for each in _pieces(document)))


def print_pieces(terminal: Terminal, pieces: Iterable[str]) -> None:
    """Joins pieces of JSON, and prints the document in the requested format."""
    if terminal.document_form == "yaml":
        from kubevouch import goyaml

        pieces = [goyaml.written(json.loads("".join(pieces)))]
    for piece in pieces:
        terminal.document(piece)


def _pieces(document: Mapping[str, object]) -> Iterator[str]:
    """Yields the document as JSON, in pieces: for many nodes, one string would double the memory use."""
    written = json.JSONEncoder(ensure_ascii=True, default=msgspec.to_builtins).encode
    lead = "{"
    for key, value in document.items():
        yield f"{lead}{written(key)}: "
        lead = ", "
        if not isinstance(value, list | tuple):
            yield written(value)
            continue
        yield "["
        for index, each in enumerate(value):
            yield f"{', ' if index else ''}{written(each)}"
        yield "]"
    yield "}\n"


def certificate_json(certificate: "Certificate") -> dict[str, object]:
    """A certificate as JSON. Field names are stable. Times are in RFC 3339."""
    from kubevouch.x509 import classify

    return {
        "kind": str(classify(certificate)),
        "subject": str(certificate.subject),
        "issuer": str(certificate.issuer),
        "serial": certificate.serial_text,
        "notBefore": certificate.not_before,
        "notAfter": certificate.not_after,
        "dnsNames": certificate.dns_names,
        "ipAddresses": [str(address) for address in certificate.ip_addresses],
        "key": str(certificate.key),
        "sha256": certificate.fingerprint,
    }
