"""What the API server keeps of a CertificateSigningRequest, restores without a word, and refuses.

Sources: pkg/registry/certificates/certificates/strategy.go, pkg/apis/certificates/validation/validation.go and
pkg/apis/certificates/helpers.go in Kubernetes.
"""

import base64
import binascii
from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache

from kubevouch.x509 import (
    CertificateRequest,
    X509Error,
    pem,
    read_certificate_der,
    read_csr,
)
from kubevouch_lab.apiserver import status
from kubevouch_lab.apiserver.kinds import Kind
from kubevouch_lab.apiserver.metadata import moment
from kubevouch_lab.apiserver.registry.strategy import Strategy
from kubevouch_lab.apiserver.request import RequestInfo
from kubevouch_lab.apiserver.validation import SUBDOMAIN, Cause, form_causes
from kubevouch_lab.objects import Object, name_of, status_of
from kubevouch_lab.signer.conditions import (
    malformed,
    settled_times,
    unchanged_decisions,
    withdrawn,
)

USAGES = frozenset(
    (
        "signing", "digital signature", "content commitment", "key encipherment", "key agreement",
        "data encipherment", "cert sign", "crl sign", "encipher only", "decipher only", "any", "server auth",
        "client auth", "code signing", "email protection", "s/mime", "ipsec end system", "ipsec tunnel", "ipsec user",
        "timestamping", "ocsp signing", "microsoft sgc", "netscape sgc",
    )
)  # fmt: skip
_SHORTEST = 600
_ASKER = ("username", "uid", "groups", "extra")
_LEGACY = "kubernetes.io/legacy-unknown"


class CsrStrategy(Strategy):
    """The rules of certificatesigningrequests; unconditional updates are allowed."""

    def create(self, kind: Kind, info: RequestInfo, new: Object, now: datetime) -> Object:
        """Who asks is what the server saw, whatever the body says; no decision comes with it."""
        del kind, now
        said = (new.get("spec") or {}).items()
        spec = {key: value for key, value in said if key not in _ASKER} | info.user.shown()
        return {**new, "spec": spec, "status": {}}

    def update(
        self, kind: Kind, info: RequestInfo, old: Object, new: Object, now: datetime
    ) -> Object:
        """Each path keeps its own part and takes the rest from the stored object."""
        before = status_of(old)
        after = status_of(new)
        changed, causes = dict(before), []
        conditions = [dict(each) for each in after.get("conditions") or []]
        match info.subresource:
            case "":
                return {**new, "spec": old["spec"], "status": before}
            case "approval":
                changed = _with_conditions(before, conditions, moment(now))
                causes = _condition_causes(before, changed)
            case "status":
                conditions = unchanged_decisions(before.get("conditions") or [], conditions)
                changed = _with_conditions(before, conditions, moment(now))
                causes = [*_condition_causes(before, changed), *_added(before, changed)]
                changed, refused = _certificate(before, after, changed)
                causes += refused
            case _:
                raise status.method_not_allowed(kind.group, kind.plural, info.verb)
        if causes:
            raise status.invalid(kind.group, kind.kind, name_of(old), causes)
        return {**new, "spec": old["spec"], "status": changed}

    def causes(self, kind: Kind, old: Object | None, new: Object) -> list[Cause]:
        """What makes a new one invalid. An update cannot change what is looked at here."""
        del kind
        return [] if old is not None else list(_spec_causes(new.get("spec") or {}))


def request_bytes(spec: Object) -> bytes:
    """The PEM in `spec.request`. Raises X509Error for what is not base64."""
    try:
        return base64.b64decode(spec.get("request") or "", validate=True)
    except (ValueError, TypeError, binascii.Error):
        raise X509Error("spec.request", "not base64", "PEM in base64 was expected") from None


def parsed(spec: Object) -> CertificateRequest:
    """The request as Go reads it. Raises X509Error in Go's words (`seen`)."""
    return _parsed(spec.get("request") or "")


@lru_cache(maxsize=128)
def _parsed(encoded: str) -> CertificateRequest:
    """Admission, validation, approver and signer ask one after the other: it is read once."""
    try:
        return read_csr(request_bytes({"request": encoded}), "spec.request")
    except X509Error as error:
        seen = error.seen.removeprefix("not a CSR: ")
        if "PEM block" in seen or "block comes first" in seen or seen == "not base64":
            seen = "PEM block type must be CERTIFICATE REQUEST"
        raise X509Error(error.where, seen, error.expected) from None


def _spec_causes(spec: Object) -> Iterator[Cause]:
    try:
        found = parsed(spec)
    except X509Error as error:
        yield _unreadable(error.seen)
    else:
        if found.signature_fault:
            yield _unreadable(found.signature_fault)
    yield from _usage_causes(spec.get("usages") or [])
    signer = spec.get("signerName") or ""
    if signer == _LEGACY:
        text = (
            f'Invalid value: "{signer}": the legacy signerName is not allowed via this API version'
        )
        yield "FieldValueInvalid", "spec.signerName", text
    else:
        yield from _signer_name_causes(signer)
    seconds = spec.get("expirationSeconds")
    if seconds is not None and seconds < _SHORTEST:
        text = "may not specify a duration less than 600 seconds (10 minutes)"
        yield "FieldValueInvalid", "spec.expirationSeconds", f"Invalid value: {seconds}: {text}"


def _signer_name_causes(name: str) -> Iterator[Cause]:
    """`<domain>/<path>` (ValidateSignerName in pkg/apis/certificates/validation/validation.go)."""
    field = "spec.signerName"
    domain, slash, path = name.partition("/")
    if not name:
        yield "FieldValueRequired", field, "Required value: signerName must be provided"
    elif not slash or "." not in domain:
        text = "must be a fully qualified domain and path of the form 'example.com/signer-name'"
        yield "FieldValueInvalid", field, f'Invalid value: "{name}": {text}'
    else:
        yield from form_causes(field, SUBDOMAIN, domain)
        yield from form_causes(field, SUBDOMAIN, path)


def _unreadable(why: str) -> Cause:
    return "FieldValueInvalid", "spec.request", f"Invalid value: {why}"


def _usage_causes(usages: list[str]) -> Iterator[Cause]:
    if not usages:
        yield "FieldValueRequired", "spec.usages", "Required value: usages must be provided"
    for index, usage in enumerate(usages):
        if usage not in USAGES:
            known = ", ".join(f'"{each}"' for each in sorted(USAGES))
            text = f'Unsupported value: "{usage}": supported values: {known}'
            yield "FieldValueNotSupported", f"spec.usages[{index}]", text
        if usage in usages[:index]:
            text = f'Duplicate value: "{usage}"'
            yield "FieldValueDuplicate", f"spec.usages[{index}]", text


def _with_conditions(before: Object, conditions: list[Object], now: str) -> Object:
    changed = {key: value for key, value in before.items() if key != "conditions"}
    settled = settled_times(before.get("conditions") or [], conditions, now)
    return changed | ({"conditions": settled} if settled else {})


def _condition_causes(before: Object, after: Object) -> list[Cause]:
    old, new = before.get("conditions") or [], after.get("conditions") or []
    return [*malformed(old, new), *withdrawn(old, new)]


def _added(before: Object, after: Object) -> Iterator[Cause]:
    """Through /status no decision comes in."""
    old, new = before.get("conditions") or [], after.get("conditions") or []
    for kind in ("Approved", "Denied"):
        if sum(c.get("type") == kind for c in new) > sum(c.get("type") == kind for c in old):
            text = f'Forbidden: updates may not add a condition of type "{kind}"'
            yield "FieldValueForbidden", "status.conditions", text


def _certificate(before: Object, after: Object, changed: Object) -> tuple[Object, list[Cause]]:
    """The certificate comes once, and is a chain of PEM blocks."""
    old, new = before.get("certificate") or "", after.get("certificate") or ""
    if old == new:
        return changed, []
    if old:
        text = "Forbidden: updates may not modify existing certificate content"
        return changed, [("FieldValueForbidden", "status.certificate", text)]
    fault = _certificate_fault(new)
    if fault:
        text = f'Invalid value: "<certificate data>": {fault}'
        return changed, [("FieldValueInvalid", "status.certificate", text)]
    return {**changed, "certificate": new}, []


def _certificate_fault(content: str) -> str:
    try:
        blocks = list(pem.blocks(base64.b64decode(content, validate=True)))
    except (ValueError, binascii.Error):
        return "illegal base64 data"
    if not blocks:
        return "must contain at least one CERTIFICATE PEM block"
    for block in blocks:
        if block.label != "CERTIFICATE":
            return f'only CERTIFICATE PEM blocks are allowed, found "{block.label}"'
        if block.has_headers:
            return "no PEM block headers are permitted"
        try:
            read_certificate_der(block.body, "status.certificate")
        except X509Error as error:
            return error.seen
    return ""
