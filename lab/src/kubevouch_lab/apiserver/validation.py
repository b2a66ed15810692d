"""Names, labels and annotations: which are refused, and in which words (apimachinery's pkg/util/validation)."""

import re
from collections.abc import Iterator

from kubevouch_lab.apiserver.kinds import Kind
from kubevouch_lab.objects import Object

Cause = tuple[str, str, str]  # reason, field, text

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_LABEL_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_NAME_PART = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_VALUE = f"({_NAME_PART})?"

_SUBDOMAIN_TEXT = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start "
    "and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_LABEL_TEXT = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end "
    "with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
_LABEL_1035_TEXT = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic "
    "character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation "
    "is '[a-z]([-a-z0-9]*[a-z0-9])?')"
)
_VALUE_TEXT = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start "
    "and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for "
    "validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
_NAME_PART_TEXT = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
_ANNOTATIONS_BYTES = 256 * 1024
# Whose names need only be a legal segment of a path.
_PATH_SEGMENT = {"rbac.authorization.k8s.io", "certificates.k8s.io", "apiregistration.k8s.io"}
_SEGMENT_TEXTS = {".": "may not be '.'", "..": "may not be '..'"}


def metadata_causes(kind: Kind, thing: Object) -> list[Cause]:
    """What is wrong with the metadata of an object."""
    metadata = thing["metadata"]
    return [
        *_name_causes(kind, "name", metadata["name"], metadata["name"]),
        *_prefix_causes(kind, metadata.get("generateName", "")),
        *_label_causes(metadata.get("labels") or {}),
        *_annotation_causes(metadata.get("annotations") or {}),
    ]


def _prefix_causes(kind: Kind, prefix: str) -> Iterator[Cause]:
    """Of a generateName: as a name, but for a dash at its end (api/validation/objectmeta.go, generic.go)."""
    masked = f"{prefix[:-2]}a" if len(prefix) > 1 and prefix.endswith("-") else prefix
    if masked:
        yield from _name_causes(kind, "generateName", masked, prefix)


def _name_causes(kind: Kind, field: str, name: str, shown: str) -> Iterator[Cause]:
    texts: Iterator[str]
    if kind.group in _PATH_SEGMENT:
        texts = _segment_texts(name)
    elif kind.plural == "namespaces":
        texts = _texts(name, _LABEL, _LABEL_TEXT, 63)
    elif kind.plural == "services":
        texts = _texts(name, _LABEL_1035, _LABEL_1035_TEXT, 63)
    else:
        texts = _texts(name, _SUBDOMAIN, _SUBDOMAIN_TEXT, 253)
    for text in texts:
        yield "FieldValueInvalid", f"metadata.{field}", f'Invalid value: "{shown}": {text}'


def _segment_texts(name: str) -> Iterator[str]:
    if name in _SEGMENT_TEXTS:
        yield _SEGMENT_TEXTS[name]
    for character in "/%":
        if character in name:
            yield f"may not contain '{character}'"


def _texts(value: str, form: str, text: str, longest: int) -> Iterator[str]:
    if len(value) > longest:
        yield f"must be no more than {longest} characters"
    if not re.fullmatch(form, value):
        yield text


def _key_texts(key: str) -> Iterator[str]:
    prefix, slash, name = key.rpartition("/")
    if slash and not prefix:
        yield "prefix part must be non-empty"
    elif slash and not re.fullmatch(_SUBDOMAIN, prefix):
        yield f"prefix part {_SUBDOMAIN_TEXT}"
    if not name:
        yield "name part must be non-empty"
    elif len(name) > 63:
        yield "name part must be no more than 63 characters"
    if not re.fullmatch(_NAME_PART, name):
        yield _NAME_PART_TEXT


def _label_causes(labels: Object) -> Iterator[Cause]:
    for key, value in sorted(labels.items()):
        for text in _key_texts(key):
            yield "FieldValueInvalid", "metadata.labels", f'Invalid value: "{key}": {text}'
        for text in _texts(value, _VALUE, _VALUE_TEXT, 63):
            yield "FieldValueInvalid", "metadata.labels", f'Invalid value: "{value}": {text}'


def _annotation_causes(annotations: Object) -> Iterator[Cause]:
    size = sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items())
    for key in sorted(annotations):
        for text in _key_texts(key.lower()):
            yield "FieldValueInvalid", "metadata.annotations", f'Invalid value: "{key}": {text}'
    if size > _ANNOTATIONS_BYTES:
        text = f"Too long: may not be more than {_ANNOTATIONS_BYTES} bytes"
        yield "FieldValueTooLong", "metadata.annotations", text
