"""A request by its name in the cluster, or in a file: PEM, or the object in YAML or JSON."""

import binascii
from base64 import b64decode
from pathlib import Path
from typing import Any

import msgspec
import yaml

from kubevouch.errors import UsageError
from kubevouch.evidence.registry import Registry
from kubevouch.kube.resources import CertificateSigningRequest
from kubevouch.policy.facts import bare_request, request_of
from kubevouch.policy.question import Request

_LARGEST = 1024 * 1024
_RIGHT = "the name of a request, or a file with one in PEM, YAML or JSON, was expected"


def request_named(word: str, registry: Registry) -> Request:
    """The request that is meant. A file of that name goes before an object. Raises UsageError."""
    path = Path(word)
    if path.is_file():
        return _in_file(path)
    for found in registry.requests.or_else(()):
        if found.name == word:
            return request_of(found)
    doubt = registry.requests.doubt
    raise UsageError(word, doubt.text if doubt else "no such serving request", _RIGHT)


def _in_file(path: Path) -> Request:
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except OSError as error:
        raise UsageError(str(path), f"cannot be read: {error.strerror}", _RIGHT) from None
    if len(data) > _LARGEST:
        raise UsageError(str(path), "is larger than any request", _RIGHT)
    if b"-----BEGIN" in data and b"kind:" not in data and b'kind"' not in data:
        return bare_request(path.name, data)
    try:
        found = yaml.safe_load(data)
        if not isinstance(found, dict) or found.get("kind") != "CertificateSigningRequest":
            raise UsageError(str(path), "is no CertificateSigningRequest", _RIGHT)
        return request_of(msgspec.convert(_decoded(found), CertificateSigningRequest))
    except (
        yaml.YAMLError,
        msgspec.ValidationError,
        binascii.Error,
        RecursionError,
        ValueError,
    ) as error:
        reason = " ".join(str(error).split())
        raise UsageError(str(path), f"cannot be read: {reason}", _RIGHT) from None


def _decoded(found: dict[str, Any]) -> dict[str, Any]:
    """spec.request is base64 text in YAML and JSON."""
    spec = dict(found.get("spec") or {})
    if isinstance(spec.get("request"), str):
        spec["request"] = b64decode(spec["request"], validate=False)
    status = dict(found.get("status") or {})
    if isinstance(status.get("certificate"), str):
        status["certificate"] = b64decode(status["certificate"], validate=False)
    return {**found, "spec": spec, "status": status}
