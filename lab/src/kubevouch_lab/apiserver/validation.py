"""Names, labels and annotations: which are refused (apimachinery's pkg/util/validation)."""

import re
from collections.abc import Iterator

from kubevouch_lab.apiserver.kinds import Kind
from kubevouch_lab.objects import Object

Cause = tuple[str, str, str]  # reason, field, text

LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
SUBDOMAIN = rf"{LABEL}(\.{LABEL})*"
_LABEL_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_SEGMENT = r"(?!\.\.?$)[^/%]+"
_NAME_PART = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_KEY = rf"({SUBDOMAIN}/)?{_NAME_PART}"
_VALUE = f"({_NAME_PART})?"
_DATA_KEY = r"[-._a-zA-Z0-9]+"
# What each is called, and how long it may be.
_FORMS = {
    LABEL: ("a lowercase RFC 1123 label", 63),
    SUBDOMAIN: ("a lowercase RFC 1123 subdomain", 253),
    _LABEL_1035: ("a DNS-1035 label", 63),
    _SEGMENT: ("a segment of a path", 1 << 20),
    _KEY: ("a qualified name", 253 + 1 + 63),
    _VALUE: ("a valid label", 63),
    _DATA_KEY: ("a valid config key", 253),
}
_ANNOTATIONS_BYTES, _DATA_BYTES = 256 * 1024, 1024 * 1024
# Whose names need only be a legal segment of a path.
_PATH_SEGMENT = {"rbac.authorization.k8s.io", "certificates.k8s.io", "apiregistration.k8s.io"}


def metadata_causes(kind: Kind, thing: Object) -> Iterator[Cause]:
    """What is wrong with the metadata of an object, and with the keys of its data."""
    metadata = thing["metadata"]
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    name, prefix = metadata["name"], metadata.get("generateName") or ""
    form = _name_form(kind)
    yield from form_causes("metadata.name", form, name)
    if metadata.get("finalizers"):
        text = "Forbidden: a kubevouch lab does not support finalizers"
        yield "FieldValueForbidden", "metadata.finalizers", text
    if prefix:
        # As a name, but for a dash at its end (api/validation/generic.go).
        yield from form_causes("metadata.generateName", form, re.sub("(?<=.)-$", "a", prefix))
    for key, value in sorted(labels.items()):
        yield from form_causes("metadata.labels", _KEY, key)
        yield from form_causes("metadata.labels", _VALUE, value)
    for key in sorted(annotations):
        yield from form_causes("metadata.annotations", _KEY, key.lower())
    yield from _size_causes("metadata.annotations", annotations, _ANNOTATIONS_BYTES)
    if kind.plural in {"configmaps", "secrets"}:
        data = thing.get("data") or {}
        for key in data:
            yield from form_causes(f"data[{key}]", _DATA_KEY, key)
        yield from _size_causes("data", data, _DATA_BYTES)


def form_causes(field: str, form: str, value: str) -> Iterator[Cause]:
    """What is wrong with a text of that form, one of those above."""
    called, longest = _FORMS[form]
    if not re.fullmatch(form, value):
        text = f"{called} must match the regular expression '{form}'"
        yield "FieldValueInvalid", field, f'Invalid value: "{value}": {text}'
    if len(value) > longest:
        text = f"must be no more than {longest} characters"
        yield "FieldValueInvalid", field, f'Invalid value: "{value}": {text}'


def _name_form(kind: Kind) -> str:
    if kind.group in _PATH_SEGMENT:
        return _SEGMENT
    return {"namespaces": LABEL, "services": _LABEL_1035}.get(kind.plural, SUBDOMAIN)


def _size_causes(field: str, texts: dict[str, str], longest: int) -> Iterator[Cause]:
    if sum(len(key.encode()) + len(value.encode()) for key, value in texts.items()) > longest:
        text = f"Too long: may not be more than {longest} bytes"
        yield "FieldValueTooLong", field, text
