"""Documents in JSON and YAML. Each has its schema and the version of kubevouch, in the same form for every verb."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import msgspec

from kubevouch import __version__
from kubevouch.cli.common.terminal import Terminal

if TYPE_CHECKING:
    from kubevouch.x509 import Certificate


def print_document(terminal: Terminal, schema: str, content: Mapping[str, object]) -> None:
    """One line of JSON, or the same as YAML. schema: a name, and a number that grows if a field goes or changes its meaning.

    In ASCII: texts of others cannot move a cursor, and the JSON's own escapes stay intact.
    """
    document: Mapping[str, object] = {"schemaVersion": schema, "kubevouch": __version__, **content}
    print_pieces(terminal, (each.replace("\x7f", "\\u007f") for each in _pieces(document)))


def print_pieces(terminal: Terminal, pieces: Iterable[str]) -> None:
    """Prints a document, given in pieces of JSON, in the requested form."""
    if terminal.document_form == "yaml":
        from kubevouch import goyaml

        pieces = [goyaml.written(json.loads("".join(pieces)))]
    for piece in pieces:
        terminal.document(piece)


def _pieces(document: Mapping[str, object]) -> Iterator[str]:
    """The document and its line break as json.dumps writes it, in pieces: the whole document of a fleet would need twice the memory.

    msgspec converts types that JSON lacks.
    """
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
    """The fields of a certificate. Names are stable, times are in RFC 3339."""
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
