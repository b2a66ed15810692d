"""The errors we answer with: shapes and texts of apimachinery's pkg/api/errors/errors.go."""

from typing import Any, Final

from kubevouch.serve.messages import Response, in_json, in_text

Details = dict[str, Any]


def status(code: int, reason: str, message: str, details: Details | None = None) -> Response:
    """A `kind: Status` answer. details: None leaves them out, {} is written."""
    body: dict[str, Any] = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
    }
    if details is not None:
        body["details"] = details
    return in_json({**body, "code": code}, code)


def unauthorized() -> Response:
    """401: somebody showed a credential that is not good (filters.Unauthorized)."""
    return status(401, "Unauthorized", "Unauthorized")


def forbidden(group: str, resource: str, name: str, why: str) -> Response:
    """403 (NewForbidden). resource: "" for a path that is no resource."""
    if not resource:
        return status(403, "Forbidden", f"forbidden: {why}", {})
    subject = _qualified(group, resource) + (f' "{name}"' if name else "")
    details = {"name": name, "group": group, "kind": resource}
    return status(403, "Forbidden", f"{subject} is forbidden: {why}", _filled(details))


def not_found(group: str, resource: str, name: str) -> Response:
    """404 for an object (NewNotFound)."""
    details = {"name": name, "group": group, "kind": resource}
    return status(
        404, "NotFound", f'{_qualified(group, resource)} "{name}" not found', _filled(details)
    )


def no_such_path() -> Response:
    """404 for a path that nobody serves: plain text, as Go's mux says it."""
    return in_text("404 page not found\n", 404)


def no_such_resource() -> Response:
    """404 below a group and version that are served (serviceErrorHandler in apiserver's pkg/server/handler.go)."""
    return status(404, "NotFound", "the server could not find the requested resource", {})


def no_such_method() -> Response:
    """405 for a method that no resource here has (the same)."""
    text = "the server does not allow this method on the requested resource"
    return status(405, "MethodNotAllowed", text, {})


def not_supported(group: str, resource: str, verb: str) -> Response:
    """405 for a verb that this resource does not have (NewMethodNotSupported): watch."""
    text = f'{verb} is not supported on resources of kind "{_qualified(group, resource)}"'
    return status(405, "MethodNotAllowed", text, _filled({"group": group, "kind": resource}))


def bad_request(why: str) -> Response:
    """400."""
    return status(400, "BadRequest", why)


def not_acceptable(accepted: tuple[str, ...]) -> Response:
    """406 (negotiation.NewNotAcceptableError)."""
    text = f"only the following media types are accepted: {', '.join(accepted)}"
    return status(406, "NotAcceptable", text)


def timed_out() -> Response:
    """504 (NewTimeoutError, as filters.WithTimeoutForNonLongRunningRequests has it)."""
    text = "Timeout: request did not complete within the allotted timeout"
    return status(504, "Timeout", text, {})


def too_many() -> Response:
    """429 (filters.tooManyRequests)."""
    answer = in_text("Too many requests, please try again later.\n", 429)
    return Response(429, answer.body, answer.content_type, {**answer.headers, "Retry-After": "1"})


def internal_error(path: str, why: str) -> Response:
    """500 (responsewriters.InternalError)."""
    shown = path.translate(_QUOTES)
    return in_text(f'Internal Server Error: "{shown}": {why}\n', 500)


# responsewriters/errors.go, sanitizer.
_QUOTES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def _qualified(group: str, resource: str) -> str:
    return f"{resource}.{group}" if group else resource


def _filled(details: Details) -> Details:
    return {name: value for name, value in details.items() if value}
