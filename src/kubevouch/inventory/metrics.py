"""Turns rows into Prometheus series, for `certs -o prometheus` and for the exporter.

As in cert-manager's and kubelets' metrics, notBefore and notAfter are series, so an alert rule can
compute the time left or the used share of the lifetime. The number of series does not depend on
certificates' contents: names, issuers and serials are not labels.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from kubevouch.evidence.certificates import CertificateUse
from kubevouch.inventory.rows import CertificateRow, RowState, misnaming
from kubevouch.serve.series import heading, in_pieces, label
from kubevouch.tls import FailureKind

LONGEST_PLACE: Final = 200
"""The maximum length of the label `where`, in characters. Authors of API objects can choose its
text."""


NOT_AFTER: Final = "kubevouch_certificate_not_after_timestamp_seconds"
NOT_BEFORE: Final = "kubevouch_certificate_not_before_timestamp_seconds"
INFO: Final = "kubevouch_certificate_info"
VERIFIED: Final = "kubevouch_certificate_verified"
FAILURE: Final = "kubevouch_certificate_verify_failure_info"
KUBELET_VERIFIED: Final = "kubevouch_kubelet_serving_verified"
KUBELET_FAILURE: Final = "kubevouch_kubelet_serving_failure_info"
FAMILIES: Final = {
    NOT_AFTER: "When the certificate expires, in seconds since 1970.",
    NOT_BEFORE: "When the certificate's validity starts, in seconds since 1970.",
    INFO: "1 for each certificate that was found or expected. Labels: who renews it, and whether it was read.",
    VERIFIED: "Whether the server's certificate verifies (CA, dates, address or name).",
    FAILURE: "1 for each certificate that does not verify, with the reason.",
    KUBELET_VERIFIED: "Whether the kubelet's serving certificate verifies (CA, dates, address and node name).",
    KUBELET_FAILURE: "1 for each kubelet whose certificate does not verify or was not presented, with the reason.",
}
"""The help text of each metric, in the order of the output."""

Series = tuple[str, ...]
"""The Prometheus text of one row for each metric in FAMILIES; "" if the row has none."""


def exposition_of(rows: Iterable[CertificateRow]) -> Iterator[str]:
    """Yields the Prometheus text of all rows, in pieces."""
    return families_of([series_of(row, place) for row, place in placed(rows)])


def families_of(series: Sequence[Series]) -> Iterator[str]:
    """Yields the Prometheus text of all metrics that have lines, in pieces."""
    for number, (name, about) in enumerate(FAMILIES.items()):
        lines = [each[number] for each in series if each[number]]
        if lines:
            yield from in_pieces(heading(name, "gauge", about), lines)


def placed(rows: Iterable[CertificateRow]) -> tuple[tuple[CertificateRow, str], ...]:
    """Each row with its value of the label `where`.

    A second certificate at the same place gets `(2)`, since labels must differ.
    """
    seen: Counter[tuple[str, str, str]] = Counter()
    found = []
    for row in rows:
        place = place_label(row.found.where)
        key = (str(row.found.use), row.found.node, place)
        seen[key] += 1
        found.append((row, place if seen[key] == 1 else f"{place} ({seen[key]})"))
    return tuple(found)


def place_label(where: str) -> str:
    """The value of the label `where`, truncated to LONGEST_PLACE."""
    return where if len(where) <= LONGEST_PLACE else where[: LONGEST_PLACE - 1] + "…"


def series_of(row: CertificateRow, place: str) -> Series:
    """The Prometheus lines of a row. place: the label value from `placed`."""
    found, certificate = row.found, row.found.certificate
    labels = ",".join(
        label(name, text)
        for name, text in (("use", found.use), ("node", found.node), ("where", place))
    )
    state = "read" if certificate else str(row.state)
    info = f"{labels},{label('renewed_by', row.renewed_by)},{label('state', state)}"
    ends = certificate.not_after.timestamp() if certificate else 0.0
    begins = certificate.not_before.timestamp() if certificate else 0.0
    lines = {
        NOT_AFTER: f"{NOT_AFTER}{{{labels}}} {ends:.0f}\n" * bool(certificate),
        NOT_BEFORE: f"{NOT_BEFORE}{{{labels}}} {begins:.0f}\n" * bool(certificate),
        INFO: f"{INFO}{{{info}}} 1\n",
    }
    if found.use is CertificateUse.KUBELET_SERVING:
        node = label("node", found.node)
        lines |= _verdict(KUBELET_VERIFIED, KUBELET_FAILURE, node, kubelet_failure(row))
    elif found.verdict is not None:
        reason = "" if found.verdict.trusted else str(found.verdict.reason)
        lines |= _verdict(VERIFIED, FAILURE, labels, reason)
    return tuple(lines.get(family, "") for family in FAMILIES)


def _verdict(verified: str, failure: str, labels: str, reason: str | None) -> dict[str, str]:
    """The lines that say whether a server's certificate verifies.

    reason: why it does not verify; "" if it does, None if unknown.
    """
    if reason is None:
        return {}
    if not reason:
        return {verified: f"{verified}{{{labels}}} 1\n"}
    return {
        verified: f"{verified}{{{labels}}} 0\n",
        failure: f"{failure}{{{labels},{label('reason', reason)}}} 1\n",
    }


def kubelet_failure(row: CertificateRow) -> str | None:
    """Why a kubelet's certificate does not verify, as a value of the label `reason`; "" if it verifies, None if unknown.

    Rejects a trusted certificate of another node, as our metrics server does before it sends a
    token.
    """
    found, verdict = row.found, row.found.verdict
    if found.failure is FailureKind.OUR_SIDE:
        return None
    if found.failure is not None:
        return str(found.failure)
    if found.certificate is None:
        return str(RowState.UNREADABLE)
    if verdict is None:
        return None
    if not verdict.trusted:
        return str(verdict.reason)
    return str(FailureKind.WRONG_IDENTITY) if misnaming(found) else ""
