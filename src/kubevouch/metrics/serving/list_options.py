"""The query of a list, checked in apiserver's order and refused in its words (pkg/endpoints/handlers/get.go, listOpts).

resourceVersion, limit and continue are read and have no effect, as in metrics-server: a list is always whole and new.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from kubevouch.metrics.serving.selectors import (
    Matches,
    SelectorError,
    field_selector,
    label_selector,
)
from kubevouch.serve.attributes import is_true
from kubevouch.serve.messages import HttpRequest, HttpResponse
from kubevouch.serve.statuses import bad_request, invalid
from kubevouch.x509.gotext import quote

_EXACT: Final = "Exact"
_NOT_OLDER: Final = "NotOlderThan"
_ONE_EFFORT: Final = 128
"""Characters of selectors; a request has room for 8,000, in which 2,000 requirements can stand."""

Cause = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ListOptions:
    """What a list is to contain. labels: a predicate on labels. fields: one on namespace and name. everything: both always hold.

    effort: how much longer it may take to look at an object than with a selector as people write them.
    """

    labels: Matches
    fields: Callable[[str, str], bool]
    everything: bool = False
    effort: int = 1


def list_options(request: HttpRequest) -> ListOptions | HttpResponse:
    """The options of a list or a watch, or the refusal."""
    for name in ("timeoutSeconds", "limit"):
        if name in request.query and (why := _no_integer(request.query_value(name))):
            return bad_request(why)
    texts = [request.query_value(name) for name in ("labelSelector", "fieldSelector")]
    try:
        labels, fields = label_selector(texts[0]), field_selector(texts[1])
        if causes := _refused_versions(request):
            return invalid("meta.k8s.io", "ListOptions", "", causes)
        effort = 1 + sum(map(len, texts)) // _ONE_EFFORT
        return ListOptions(labels, fields, everything=not any(texts), effort=effort)
    except SelectorError as error:
        return bad_request(str(error))


def _no_integer(text: str) -> str:
    """Why Go's strconv.ParseInt does not read this text; "" if it does."""
    shown = f"strconv.ParseInt: parsing {quote(text)}"
    if not re.fullmatch(r"[+-]?[0-9]+", text):
        return f"{shown}: invalid syntax"
    sign, digits = text[:1] == "-", text.lstrip("+-").lstrip("0")
    # Python reads no more than 4,300 digits.
    fits = len(digits) < 20 and int(digits or "0") <= 2**63 - (not sign)
    return "" if fits else f"{shown}: value out of range"


def _refused_versions(request: HttpRequest) -> list[Cause]:
    """What ValidateListOptions has against resourceVersionMatch and sendInitialEvents."""
    match = request.query_value("resourceVersionMatch")
    sent = "sendInitialEvents" in request.query
    if is_true(request, "watch"):
        return _refused_for_watch(request, match, sent=sent)
    found = []
    if match:
        version = request.query_value("resourceVersion")
        if not version:
            found.append(_forbidden("is forbidden unless resourceVersion is provided"))
        if request.query_value("continue"):
            found.append(_forbidden("is forbidden when continue is provided"))
        if match not in {_EXACT, _NOT_OLDER}:
            found.append(_unsupported(match, _EXACT, _NOT_OLDER, ""))
        if match == _EXACT and version == "0":
            found.append(_forbidden('"exact" is forbidden for resourceVersion "0"'))
    if sent:
        found.append(_forbidden("is forbidden for list", "sendInitialEvents"))
    return found


def _refused_for_watch(request: HttpRequest, match: str, *, sent: bool) -> list[Cause]:
    found = []
    if not sent and not match and request.query_value("resourceVersion") in {"", "0"}:
        # SetListOptionsDefaults: such a watch begins with what is there already.
        sent, match = True, _NOT_OLDER
    if sent and match != _NOT_OLDER:
        text = f"sendInitialEvents requires setting resourceVersionMatch to {_NOT_OLDER}"
        found.append(_cause("resourceVersionMatch", "FieldValueForbidden", f"Forbidden: {text}"))
    if match:
        if not sent:
            found.append(_forbidden("is forbidden for watch unless sendInitialEvents is provided"))
        if match != _NOT_OLDER:
            found.append(_unsupported(match, _NOT_OLDER))
        if request.query_value("continue"):
            found.append(_forbidden("is forbidden when continue is provided"))
    return found


def _forbidden(why: str, field: str = "resourceVersionMatch") -> Cause:
    return _cause(field, "FieldValueForbidden", f"Forbidden: {field} {why}")


def _unsupported(match: str, *supported: str) -> Cause:
    values = ", ".join(quote(each) for each in supported)
    text = f"Unsupported value: {quote(match)}: supported values: {values}"
    return _cause("resourceVersionMatch", "FieldValueNotSupported", text)


def _cause(field: str, reason: str, message: str) -> Cause:
    return {"reason": reason, "message": message, "field": field}
