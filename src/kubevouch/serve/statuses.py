"""Error responses in the format and with the texts of apimachinery's pkg/api/errors/errors.go."""

from dataclasses import replace
from typing import Any, Final

from kubevouch.serve.messages import NO_SNIFFING, HttpResponse, json_response, text_response

Details = dict[str, Any]


def status_response(
    code: int, reason: str, message: str, details: Details | None = None
) -> HttpResponse:
    """A response of `kind: Status`. details: None omits the field; {} is kept."""
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
    return json_response({**body, "code": code}, code)


def unauthorized() -> HttpResponse:
    """401: a presented credential is invalid (filters.Unauthorized)."""
    return status_response(401, "Unauthorized", "Unauthorized")


def forbidden_response(group: str, resource: str, name: str, why: str) -> HttpResponse:
    """403 (responsewriters.Forbidden). resource: "" for a non-resource path."""
    subject = _qualified(group, resource) + (f' "{name}"' if name else "")
    details = _filled({"name": name, "group": group, "kind": resource}) if resource else {}
    text = f"{subject} is forbidden: {why}" if resource else f"forbidden: {why}"
    return replace(status_response(403, "Forbidden", text, details), headers=NO_SNIFFING)


def not_found(group: str, resource: str, name: str) -> HttpResponse:
    """404 for an object that does not exist (NewNotFound)."""
    details = {"name": name, "group": group, "kind": resource}
    return status_response(
        404, "NotFound", f'{_qualified(group, resource)} "{name}" not found', _filled(details)
    )


def no_such_path() -> HttpResponse:
    """404 for an unknown path, in plain text like Go's mux."""
    return text_response("404 page not found\n", 404)


def no_such_resource() -> HttpResponse:
    """404 for an unknown resource of a served API group (serviceErrorHandler in apiserver's pkg/server/handler.go)."""
    return status_response(404, "NotFound", "the server could not find the requested resource", {})


def no_such_method() -> HttpResponse:
    """405 for an HTTP method that no served resource supports (serviceErrorHandler)."""
    text = "the server does not allow this method on the requested resource"
    return status_response(405, "MethodNotAllowed", text, {})


def not_supported(group: str, resource: str, verb: str) -> HttpResponse:
    """405 for a verb that this resource does not support, such as watch (NewMethodNotSupported)."""
    text = f'{verb} is not supported on resources of kind "{_qualified(group, resource)}"'
    return status_response(
        405, "MethodNotAllowed", text, _filled({"group": group, "kind": resource})
    )


def bad_request(why: str) -> HttpResponse:
    """400 with a reason (NewBadRequest)."""
    return status_response(400, "BadRequest", why)


def timed_out() -> HttpResponse:
    """504: the handler took too long (NewTimeoutError in filters.WithTimeoutForNonLongRunningRequests)."""
    text = "Timeout: request did not complete within the allotted timeout"
    return status_response(504, "Timeout", text, {})


def too_many_requests() -> HttpResponse:
    """429: too many requests are in flight (filters.tooManyRequests)."""
    answer = text_response("Too many requests, please try again later.\n", 429)
    return HttpResponse(
        429, answer.body, answer.content_type, {**answer.headers, "Retry-After": "1"}
    )


def internal_error(path: str, why: str) -> HttpResponse:
    """500 in plain text (responsewriters.InternalError)."""
    shown = sanitized(path)
    return text_response(f'Internal Server Error: "{shown}": {why}\n', 500)


_QUOTES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


def sanitized(text: str) -> str:
    """The text, escaped for browsers (responsewriters/errors.go, sanitizer)."""
    return text.translate(_QUOTES)


def _qualified(group: str, resource: str) -> str:
    return f"{resource}.{group}" if group else resource


def _filled(details: Details) -> Details:
    return {name: value for name, value in details.items() if value}
