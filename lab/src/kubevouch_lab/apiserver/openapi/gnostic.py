"""An OpenAPI 2 document in protobuf: the only form that kubectl takes /openapi/v2 in.

Message numbers: gnostic's openapiv2/OpenAPIv2.proto; only what definitions.py and paths.py write is known here.
"""

import json
from collections.abc import Callable

from kubevouch_lab.apiserver.wire_format import number_field, tagged
from kubevouch_lab.objects import ReadOnlyObject

_METHODS = {"get": 2, "put": 3, "post": 4, "delete": 5, "patch": 8}


def encoded(document: ReadOnlyObject) -> bytes:
    """The document as a protobuf message openapi.v2.Document."""
    info = document["info"]
    return b"".join(
        (
            _text(1, document["swagger"]),
            tagged(2, _text(1, info["title"]) + _text(2, info["version"])),
            tagged(8, _named(2, document["paths"], _path)),
            tagged(9, _named(1, document["definitions"], _schema)),
        )
    )


def _named(
    number: int, entries: ReadOnlyObject, encode: Callable[[ReadOnlyObject], bytes]
) -> bytes:
    """NamedSchema, NamedPathItem, NamedResponseValue: name = 1, value = 2."""
    return b"".join(
        tagged(number, _text(1, name) + tagged(2, encode(value))) for name, value in entries.items()
    )


def _text(number: int, text: str) -> bytes:
    return tagged(number, text.encode()) if text else b""


def _texts(number: int, texts: list[str]) -> bytes:
    return b"".join(tagged(number, text.encode()) for text in texts)


def _extensions(number: int, holder: ReadOnlyObject) -> bytes:
    """NamedAny: the value as YAML, of which JSON is a part."""
    return b"".join(
        tagged(number, _text(1, name) + tagged(2, _text(2, json.dumps(value))))
        for name, value in holder.items()
        if name.startswith("x-")
    )


def _schema(schema: ReadOnlyObject) -> bytes:
    parts = [
        _text(1, schema.get("$ref", "")),
        _text(2, schema.get("format", "")),
        _texts(19, schema.get("required", [])),
    ]
    if "additionalProperties" in schema:
        parts.append(tagged(21, tagged(1, _schema(schema["additionalProperties"]))))
    if "type" in schema:
        parts.append(tagged(22, _text(1, schema["type"])))
    if "items" in schema:
        parts.append(tagged(23, tagged(1, _schema(schema["items"]))))
    if "properties" in schema:
        parts.append(tagged(25, _named(1, schema["properties"], _schema)))
    parts.append(_extensions(31, schema))
    return b"".join(parts)


def _path(item: ReadOnlyObject) -> bytes:
    return b"".join(tagged(_METHODS[method], _operation(one)) for method, one in item.items())


def _operation(operation: ReadOnlyObject) -> bytes:
    return b"".join(
        (
            _texts(6, operation["produces"]),
            _texts(7, operation["consumes"]),
            *(tagged(8, tagged(1, _parameter(one))) for one in operation["parameters"]),
            tagged(9, _named(1, operation["responses"], _response)),
            _extensions(13, operation),
        )
    )


def _parameter(parameter: ReadOnlyObject) -> bytes:
    name, place = parameter["name"], parameter["in"]
    if place == "body":
        schema = tagged(5, _schema(parameter["schema"]))
        return tagged(1, _text(2, name) + _text(3, place) + number_field(4, 1) + schema)
    described = _text(2, place) + _text(4, name) + _text(6, parameter["type"])
    return tagged(2, tagged(3, described + number_field(20, 1)))


def _response(response: ReadOnlyObject) -> bytes:
    schema = tagged(2, tagged(1, _schema(response["schema"])))
    return tagged(1, _text(1, response["description"]) + schema)
