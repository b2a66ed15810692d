"""What must be seen from outside before a node counts as done. Pure: a look at the node in, rulings out.

The same judges as everywhere: the policy decides about the request, `diagnose` names what is on the wire.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from kubevouch.diagnose.make import wire_text
from kubevouch.diagnose.rules.wire import code_of
from kubevouch.evidence.snapshot import Served
from kubevouch.kube.resources import CertificateSigningRequest
from kubevouch.rollout.plan import NodePlan
from kubevouch.x509 import Certificate, X509Error, node_name_of, read_certificates


class Gate(StrEnum):
    """In the order in which they are passed."""

    ANSWERS = "API server answers"
    PROCESS = "new kubelet process"
    REQUEST = "request"
    APPROVED = "approval by the policy"
    ISSUED = "certificate issued"
    NAMES = "names are the plan's"
    SERVED = "served on the wire"
    API_PATH = "API server reaches it"
    READY = "Node Ready"
    METRICS = "fresh metrics"


@dataclass(frozen=True, slots=True)
class Standing:
    """What one gate says: passed, or what it waits for, or that it never will be passed."""

    gate: Gate
    passed: bool
    text: str
    hopeless: bool = False
    """An issued certificate that is not the plan's cannot be taken back: the whole run stops."""


@dataclass(frozen=True)
class Look:
    """What was seen of a node at one moment of its change.

    new_process: None where nothing was restarted. request: the newest since the change. held: why the policy does not
    pass it. approved_here: names of the requests that this run approved, or found rightly approved. metrics_before: the newest sample when the certificate was first seen served.
    """

    plan: NodePlan
    new_process: bool | None
    request: CertificateSigningRequest | None
    held: str
    approved_here: frozenset[str]
    served: tuple[Served, ...]
    api_path: str | None
    """None: answered; else what went wrong."""

    ready: str | None
    metrics_wanted: bool
    metrics_before: datetime | None
    metrics_now: datetime | None


def issued_certificate(request: CertificateSigningRequest | None) -> Certificate | None:
    """The certificate in a request's status, if it is there and can be read."""
    if request is None or not request.status.certificate:
        return None
    try:
        return read_certificates(request.status.certificate, request.name)[0]
    except X509Error:
        return None


def standings(look: Look) -> tuple[Standing, ...]:
    """The gates up to the first that is not passed."""
    found: list[Standing] = []
    for judge in (
        _process,
        _request,
        _approved,
        _issued,
        _names,
        _served,
        _api_path,
        _ready,
        _metrics,
    ):
        standing = judge(look)
        found.append(standing)
        if not standing.passed:
            break
    return tuple(found)


def _process(look: Look) -> Standing:
    text = "nothing was restarted" if look.new_process is None else "restarted"
    if look.new_process is False:
        return Standing(Gate.PROCESS, passed=False, text="the kubelet has not been restarted")
    return Standing(Gate.PROCESS, passed=True, text=text)


def _request(look: Look) -> Standing:
    if look.request is None:
        return Standing(Gate.REQUEST, passed=False, text="the kubelet has not asked yet")
    return Standing(Gate.REQUEST, passed=True, text=look.request.name)


def _approved(look: Look) -> Standing:
    assert look.request is not None
    name = look.request.name
    for bad in ("Denied", "Failed"):
        if condition := look.request.condition(bad):
            words = f"{name} is {bad}: {condition.reason} {condition.message}"
            return Standing(Gate.APPROVED, passed=False, text=words)
    if look.held:
        approved = look.request.condition("Approved") is not None
        text = f"{name} is held: {look.held}"
        return Standing(Gate.APPROVED, passed=False, text=text, hopeless=approved)
    if look.request.condition("Approved") is None or name not in look.approved_here:
        return Standing(Gate.APPROVED, passed=False, text=f"{name} is not decided yet")
    return Standing(Gate.APPROVED, passed=True, text=name)


def _issued(look: Look) -> Standing:
    if issued_certificate(look.request) is None:
        return Standing(Gate.ISSUED, passed=False, text="not signed yet")
    return Standing(Gate.ISSUED, passed=True, text="signed")


def _names(look: Look) -> Standing:
    """Issued is asked for, and asked for is allowed; this looks at what was signed in the end."""
    certificate = issued_certificate(look.request)
    assert certificate is not None
    planned = {entry.value for entry in (*look.plan.names, *look.plan.addresses)}
    signed = {*certificate.dns_names, *map(str, certificate.ip_addresses)}
    if node_name_of(certificate) != look.plan.node or signed != planned:
        text = f"the signed certificate is for {', '.join(sorted(signed))} ({certificate.subject})"
        return Standing(Gate.NAMES, passed=False, text=text, hopeless=True)
    return Standing(Gate.NAMES, passed=True, text=", ".join(sorted(signed)))


def _served(look: Look) -> Standing:
    """At every address: the very certificate that was issued, and metrics-server would trust it."""
    certificate = issued_certificate(look.request)
    for served in look.served:
        where = str(served.dialled.target)
        if code := code_of(served):
            text = f"{where}: {code} {wire_text(served)}"
            return Standing(Gate.SERVED, passed=False, text=text)
        if served.dialled.leaf != certificate:
            text = f"{where} still serves another certificate"
            return Standing(Gate.SERVED, passed=False, text=text)
    if not look.served:
        return Standing(Gate.SERVED, passed=False, text="not dialled yet")
    where = ", ".join(str(served.dialled.target) for served in look.served)
    return Standing(Gate.SERVED, passed=True, text=where)


def _api_path(look: Look) -> Standing:
    if look.api_path is not None:
        return Standing(Gate.API_PATH, passed=False, text=look.api_path)
    return Standing(Gate.API_PATH, passed=True, text="/healthz answers")


def _ready(look: Look) -> Standing:
    if look.ready is not None:
        return Standing(Gate.READY, passed=False, text=look.ready)
    return Standing(Gate.READY, passed=True, text="Ready")


def _metrics(look: Look) -> Standing:
    if not look.metrics_wanted:
        return Standing(Gate.METRICS, passed=True, text="not asked, since no metrics-server runs")
    now, before = look.metrics_now, look.metrics_before
    if now is None or (before is not None and now <= before):
        return Standing(Gate.METRICS, passed=False, text="no newer sample in the metrics API yet")
    return Standing(Gate.METRICS, passed=True, text=f"sample of {now:%H:%M:%S}")
