"""The errors an API server answers with: the shapes and texts of apimachinery's pkg/api/errors/errors.go.

Nothing here knows how they reach the client.
"""

from dataclasses import dataclass, field
from typing import Any

# apiserver's pkg/storage/etcd3/errors.go
CONTINUE_EXPIRED = (
    "The provided continue parameter is too old to display a consistent list result. "
    "You can start a new list without the continue parameter."
)
STALE = (
    "the object has been modified; please apply your changes to the latest version and try again"
)


def qualified(group: str, plural: str) -> str:
    """`nodes`, or `certificatesigningrequests.certificates.k8s.io`."""
    return f"{plural}.{group}" if group else plural


@dataclass(eq=False)
class StatusError(Exception):
    """A `kind: Status` answer. `headers` go beside it. Not frozen: Python hangs a traceback on it."""

    code: int
    reason: str
    message: str
    details: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        """The object as the API server writes it."""
        status: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": self.metadata,
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
        }
        if self.details:
            status["details"] = self.details
        return {**status, "code": self.code}


def _details(group: str, plural: str, name: str) -> dict[str, Any]:
    found = {"name": name, "group": group, "kind": plural}
    return {key: value for key, value in found.items() if value}


def unauthorized() -> StatusError:
    """401: no credential, or one that is not known."""
    return StatusError(401, "Unauthorized", "Unauthorized")


def forbidden(group: str, plural: str, name: str, why: str) -> StatusError:
    """403: what the authorizer, or an admission plugin, refused."""
    subject = qualified(group, plural) + (f' "{name}"' if name else "")
    message = f"{subject} is forbidden: {why}"
    return StatusError(403, "Forbidden", message, _details(group, plural, name))


def not_found(group: str, plural: str, name: str) -> StatusError:
    """404 for an object; a path that nobody serves gets plain text instead."""
    message = f'{qualified(group, plural)} "{name}" not found'
    return StatusError(404, "NotFound", message, _details(group, plural, name))


def already_exists(group: str, plural: str, name: str) -> StatusError:
    """409 for a create."""
    message = f'{qualified(group, plural)} "{name}" already exists'
    return StatusError(409, "AlreadyExists", message, _details(group, plural, name))


def conflict(group: str, plural: str, name: str, why: str = STALE) -> StatusError:
    """409 for an update whose resourceVersion or uid is not the stored one."""
    message = f'Operation cannot be fulfilled on {qualified(group, plural)} "{name}": {why}'
    return StatusError(409, "Conflict", message, _details(group, plural, name))


def expired(message: str = CONTINUE_EXPIRED) -> StatusError:
    """410: a continue token, or a resourceVersion, that has been compacted away."""
    return StatusError(410, "Expired", message)


def invalid(group: str, kind: str, name: str, causes: list[tuple[str, str, str]]) -> StatusError:
    """422. A cause is (reason, field, text), such as (FieldValueRequired, spec.usages, Required value)."""
    texts = [f"{field}: {text}" for _, field, text in causes]
    listed = texts[0] if len(texts) == 1 else "[" + ", ".join(texts) + "]"
    details = _details(group, kind, name)
    details["causes"] = [
        {"reason": reason, "message": text, "field": field} for reason, field, text in causes
    ]
    message = f'{qualified(group, kind)} "{name}" is invalid: {listed}'
    return StatusError(422, "Invalid", message, details)


def unprocessable() -> StatusError:
    """422 without a cause: a JSON patch that could not be applied (handlers/patch.go, applyJSPatch)."""
    message = "the server rejected our request due to an error in our request"
    return StatusError(422, "Invalid", message)


def too_many_requests(seconds: int) -> StatusError:
    """429 with the time to wait in header and details."""
    return StatusError(
        429,
        "TooManyRequests",
        "Too many requests, please try again later.",
        {"retryAfterSeconds": seconds},
        {"Retry-After": str(seconds)},
    )


def internal_error(what: str) -> StatusError:
    """500, as apimachinery's NewInternalError says it."""
    return StatusError(500, "InternalError", f"Internal error occurred: {what}")


def bad_request(message: str) -> StatusError:
    """400: the request is malformed."""
    return StatusError(400, "BadRequest", message)


def method_not_allowed(group: str, plural: str, verb: str) -> StatusError:
    """405: the resource does not have this verb."""
    message = f'{verb} is not supported on resources of kind "{qualified(group, plural)}"'
    return StatusError(405, "MethodNotAllowed", message, _details(group, plural, ""))


def unsupported_media_type(accepted: list[str]) -> StatusError:
    """415: the body is in a form that is not read here."""
    message = (
        "the body of the request was in an unknown format - accepted media types include: "
        + ", ".join(accepted)
    )
    return StatusError(415, "UnsupportedMediaType", message)
