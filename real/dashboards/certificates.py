"""The dashboard of kubelets' certificates and of the approver, by the exporter's metrics and the approver's."""

from typing import Final

from grafana_foundation_sdk.builders import dashboard

from real.charts import APPROVER, EXPORTER
from real.dashboards.alerts import Alerts
from real.dashboards.panels import ANY_IS_BAD, ANY_IS_ODD, board, curves, firing, number, row, rows

_WEEK: Final = 7 * 86400
_JOBS: Final = "kubevouch_exporter_nodes|kubevouch_approver_leader"
_INFO: Final = "kubevouch_kubelet_serving_failure_info"
_DECISION: Final = (
    "sum by (le) (rate(kubevouch_approver_decision_duration_seconds_bucket[$__rate_interval]))"
)


def certificates() -> dashboard.Dashboard:
    """Expiry dates, kubelets that do not verify, pending CSRs, and the approver's decisions."""
    alerts = Alerts(EXPORTER, APPROVER)
    made = board(
        "kubevouch / Kubelet certificates and approver",
        "kubevouch-certificates",
        "Served certificates, pending CSRs, and the approver's decisions.",
        _JOBS,
    )
    _stands(made, alerts)
    _ends(made, alerts)
    _approver(made, alerts)
    return made


def _stands(made: dashboard.Dashboard, alerts: Alerts) -> None:
    """An overview: six numbers, the alerts, and kubelets by state."""
    made.with_row(row("Overview"))
    made.with_panel(
        number(
            "Kubelets verified",
            "Share of the nodes whose kubelet's certificate verifies.",
            "sum(kubevouch_kubelet_serving_verified) / sum(kubevouch_exporter_nodes)",
            unit="percentunit",
            base="red",
            bad=((1, "green"),),
        )
    )
    counted = (
        ("Kubelets without a certificate", "KubevouchKubeletPortDark", "kubectl logs, exec and top fail for their nodes."),
        ("Expire within a week", "KubevouchCertificateEnds", "Certificates that expire within seven days, or have expired."),
        ("Rotations overdue", "KubevouchRotationStalled", "Kubelets that should have renewed their certificate. Check whether their CSRs are pending."),
        ("Issued, not served", "KubevouchIssuedNotServed", "Kubelets that serve an older certificate than their newest issued one."),
    )  # fmt: skip
    for title, alert, about in counted:
        made.with_panel(
            number(title, about, alerts.count(alert, "kubevouch_exporter_nodes"), bad=ANY_IS_BAD)
        )
    made.with_panel(
        number(
            "Kubelets answering",
            "Share of the nodes that presented a certificate at the last dial.",
            alerts.value("KubevouchExporterBlind"),
            unit="percentunit",
            base="red",
            bad=((0.9, "green"),),
        )
    )
    made.with_panel(firing(alerts.fire()))
    made.with_panel(
        curves(
            "Kubelets by state",
            "Verified kubelets, and the others by reason.",
            ("count(kubevouch_kubelet_serving_verified == 1)", "verified"),
            (f"count by (reason) ({_INFO})", "{{reason}}"),
            stacked=True,
        )
    )


def _ends(made: dashboard.Dashboard, alerts: Alerts) -> None:
    """Certificates, kubelets that do not verify, and pending CSRs."""
    made.with_row(row("Certificates"))
    made.with_panel(
        rows(
            "Certificates that expire first",
            "At most 50. `kubevouch certs` shows what stops then, and who renews each.",
            'bottomk(50, kubevouch_certificate_not_after_timestamp_seconds{use!="csr"} - time())',
            "use",
            "node",
            "where",
            value="expires in",
            unit="dtdurations",
            base="red",
            bad=((_WEEK, "orange"), (4 * _WEEK, "green")),
        )
    )
    made.with_panel(
        rows(
            "Kubelets that are not verified",
            "`kubevouch doctor` names the cause, and `kubevouch plan -o plan.json` plans the fix.",
            _INFO,
            "node",
            "reason",
        )
    )
    made.with_panel(
        rows(
            "Rotations overdue",
            "The used part of the certificate's life. A kubelet renews it between 70 and 90 percent.",
            alerts.condition("KubevouchRotationStalled"),
            "node",
            value="life used",
            unit="percentunit",
            base="orange",
            up=False,
        )
    )
    made.with_panel(
        curves(
            "Kubelets that wait for a certificate",
            "By signer. `kubevouch csr list` shows the pending CSRs, and why they are pending.",
            ("max by (signer) (kubevouch_csr_pending)", "{{signer}}"),
        )
    )
    made.with_panel(
        curves(
            "Longest wait for a certificate",
            "Over all CSRs of a kubelet. The alert fires after ten minutes.",
            (alerts.value("KubevouchCsrPending"), "{{signer}}"),
            unit="s",
        )
    )
    made.with_panel(
        curves(
            "Places that cannot be read",
            "Their certificates may have expired. The exporter's log names each place.",
            (alerts.value("KubevouchPlacesNotRead"), "{{job}}"),
        )
    )


def _approver(made: dashboard.Dashboard, alerts: Alerts) -> None:
    """The approver's state, its decisions, and how long they take."""
    made.with_row(row("Approver"))
    numbers = (
        number("Leaders", "Without a leader the approver decides nothing.", "sum(kubevouch_approver_leader)", base="red", bad=((1, "green"),)),
        number("Pending CSRs", "CSRs for serving certificates, as the approver counts them.", "max(kubevouch_approver_pending)", bad=ANY_IS_ODD),
        number("Oldest pending CSR", "`kubevouch csr explain NAME` shows the result of each rule.", alerts.value("KubevouchCsrHeld"), unit="s", bad=((60, "red"),)),
        number("Approved by others", "CSRs of the last 15 minutes that our policy would hold: treat the nodes' names as compromised.", f"sum({alerts.value('KubevouchApprovedByOthers')})", bad=ANY_IS_BAD),
        number("Unreadable ConfigMaps", "ConfigMaps that the approver needs for decisions. Its log names each.", alerts.value("KubevouchSourceUnreadable"), bad=ANY_IS_BAD),
        number("Clock difference", "Between the approver's machine and the API server.", alerts.value("KubevouchClockWrong"), unit="s", bad=((30, "red"),)),
    )  # fmt: skip
    for each in numbers:
        made.with_panel(each)
    made.with_panel(
        curves(
            "Decisions by outcome and reason",
            "Decisions in each interval. A held CSR is decided again and again.",
            ("sum by (outcome, reason) (increase(kubevouch_approver_decisions_total[$__rate_interval])) > 0", "{{outcome}} {{reason}}"),
            stacked=True,
        )
    )  # fmt: skip
    made.with_panel(
        curves(
            "Approvals by others",
            "CSRs that other clients approved, by our policy's outcome.",
            ("sum by (verdict) (increase(kubevouch_approver_others_approved_total[$__rate_interval]))", "{{verdict}}"),
        )
    )  # fmt: skip
    made.with_panel(
        curves(
            "How long a decision takes",
            "Time from the start of a decision to the API server's response.",
            (f"histogram_quantile(0.5, {_DECISION})", "median"),
            (f"histogram_quantile(0.99, {_DECISION})", "99 %"),
            unit="s",
        )
    )
    made.with_panel(
        curves(
            "Requests to the API server",
            "By response code. none: there was no response.",
            ("sum by (code) (rate(kubevouch_approver_api_requests_total[$__rate_interval]))", "{{code}}"),
            unit="reqps",
        )
    )  # fmt: skip
