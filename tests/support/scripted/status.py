"""The errors that the scripted API server answers with: the lab's own."""

from kubevouch_lab.apiserver.status import (
    CONTINUE_EXPIRED,
    STALE,
    StatusError,
    already_exists,
    bad_request,
    conflict,
    expired,
    forbidden,
    invalid,
    method_not_allowed,
    not_found,
    qualified,
    too_many_requests,
    unauthorized,
    unprocessable,
    unsupported_media_type,
)

__all__ = [
    "CONTINUE_EXPIRED",
    "STALE",
    "StatusError",
    "already_exists",
    "bad_request",
    "conflict",
    "expired",
    "forbidden",
    "invalid",
    "method_not_allowed",
    "not_found",
    "qualified",
    "too_many_requests",
    "unauthorized",
    "unprocessable",
    "unsupported_media_type",
]
