"""Which requests are cleared away. Pure.

Source: pkg/controller/certificates/cleaner/cleaner.go in Kubernetes. It looks once an hour; a request that was
approved and never issued stays for ever.
"""

import base64
import binascii
from datetime import datetime, timedelta

from kubevouch.x509 import X509Error, read_certificates
from kubevouch_lab.objects import Object, condition, read_moment, status_of

EVERY = timedelta(hours=1)
_DECIDED = timedelta(hours=1)
_PENDING = timedelta(hours=24)


def is_old(request: Object, now: datetime) -> bool:
    """Whether the cleaner deletes it."""
    status = status_of(request)
    issued = status.get("certificate") or ""
    if not status.get("conditions"):
        return _past(request["metadata"].get("creationTimestamp"), now, _PENDING)
    decided = [("Denied", True), ("Failed", True), ("Approved", bool(issued))]
    for kind, counts in decided:
        found = condition(request, kind)
        if counts and found and _past(found.get("lastUpdateTime"), now, _DECIDED):
            return True
    return _expired(issued, now)


def _past(text: str | None, now: datetime, limit: timedelta) -> bool:
    moment = read_moment(text or "")
    return moment is not None and moment < now - limit


def _expired(certificate: str, now: datetime) -> bool:
    if not certificate:
        return False
    try:
        found = read_certificates(base64.b64decode(certificate), "status.certificate")
    except (X509Error, ValueError, binascii.Error):
        return False
    return bool(found) and now > found[0].not_after
