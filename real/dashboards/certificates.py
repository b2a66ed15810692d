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
    """What ends when, which kubelets prove nothing, who waits, and what the approver does about it."""
    alerts = Alerts(EXPORTER, APPROVER)
    made = board(
        "kubevouch / Kubelet certificates and approver",
        "kubevouch-certificates",
        "Certificates as the exporter sees them in use, CSRs that wait, and the approver's decisions.",
        _JOBS,
    )
    _stands(made, alerts)
    _ends(made, alerts)
    _approver(made, alerts)
    return made


def _stands(made: dashboard.Dashboard, alerts: Alerts) -> None:
    """How it stands, in six numbers and what each is made of."""
    made.with_row(row("How it stands"))
    made.with_panel(
        number(
            "Kubelets verified",
            "Share of the nodes whose kubelet proves that it is this node.",
            "sum(kubevouch_kubelet_serving_verified) / sum(kubevouch_exporter_nodes)",
            unit="percentunit",
            base="red",
            bad=((1, "green"),),
        )
    )
    counted = (
        ("Ports dark", "KubevouchKubeletPortDark", "Kubelets without a certificate to serve: logs, exec and top of their nodes fail."),
        ("Ends within a week", "KubevouchCertificateEnds", "Certificates that end within seven days, or have ended."),
        ("Rotations overdue", "KubevouchRotationStalled", "Kubelets that should have renewed their certificate: see whether their CSR waits."),
        ("Issued, not served", "KubevouchIssuedNotServed", "Kubelets that serve an older certificate than was issued for them."),
    )  # fmt: skip
    for title, alert, about in counted:
        made.with_panel(
            number(title, about, alerts.count(alert, "kubevouch_exporter_nodes"), bad=ANY_IS_BAD)
        )
    made.with_panel(
        number(
            "Kubelets seen",
            "Share of the nodes that presented a certificate when they were dialled last.",
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
            "Verified ones, and the others by the reason.",
            ("count(kubevouch_kubelet_serving_verified == 1)", "verified"),
            (f"count by (reason) ({_INFO})", "{{reason}}"),
            stacked=True,
        )
    )


def _ends(made: dashboard.Dashboard, alerts: Alerts) -> None:
    """Which certificates, which kubelets, and who waits for one."""
    made.with_row(row("Certificates"))
    made.with_panel(
        rows(
            "Certificates by soonest end",
            "The 50 that end first. `kubevouch certs` says what stops then, and who renews each.",
            'bottomk(50, kubevouch_certificate_not_after_timestamp_seconds{use!="csr"} - time())',
            "use",
            "node",
            "where",
            value="ends in",
            unit="dtdurations",
            base="red",
            bad=((_WEEK, "orange"), (4 * _WEEK, "green")),
        )
    )
    made.with_panel(
        rows(
            "Kubelets that are not verified",
            "`kubevouch doctor` names the cause, `kubevouch plan -o plan.json` what would change it.",
            _INFO,
            "node",
            "reason",
        )
    )
    made.with_panel(
        rows(
            "Rotations overdue",
            "Which part of its certificate's life is over; a kubelet renews it between 70 and 90 percent.",
            alerts.condition("KubevouchRotationStalled"),
            "node",
            value="over",
            unit="percentunit",
            base="orange",
            up=False,
        )
    )
    made.with_panel(
        curves(
            "Kubelets that wait for a certificate",
            "By the signer. `kubevouch csr list` shows who waits, and what holds each.",
            ("max by (signer) (kubevouch_csr_pending)", "{{signer}}"),
        )
    )
    made.with_panel(
        curves(
            "How long the first of them waits",
            "However often it has asked again. The alert comes after ten minutes.",
            (alerts.value("KubevouchCsrPending"), "{{signer}}"),
            unit="s",
        )
    )
    made.with_panel(
        curves(
            "Places that are not read",
            "Of these certificates nobody knows until when they are good; the exporter's log names each.",
            (alerts.value("KubevouchPlacesNotRead"), "{{job}}"),
        )
    )


def _approver(made: dashboard.Dashboard, alerts: Alerts) -> None:
    """What the approver decides, whether it can, and how fast."""
    made.with_row(row("Approver"))
    numbers = (
        number("Leaders", "Without one nobody decides on CSRs.", "sum(kubevouch_approver_leader)", base="red", bad=((1, "green"),)),
        number("CSRs that wait", "Of kubelet-serving, as the approver counts them.", "max(kubevouch_approver_pending)", bad=ANY_IS_ODD),
        number("The oldest waits", "`kubevouch csr explain NAME` shows why, rule by rule.", alerts.value("KubevouchCsrHeld"), unit="s", bad=((60, "red"),)),
        number("Approved by others", "In the last 15 minutes, what our policy would hold: treat the node's names as taken.", f"sum({alerts.value('KubevouchApprovedByOthers')})", bad=ANY_IS_BAD),
        number("ConfigMaps not read", "What the approver decides by and cannot read; its log names each.", alerts.value("KubevouchSourceUnreadable"), bad=ANY_IS_BAD),
        number("Clocks differ by", "The approver's machine and the API server.", alerts.value("KubevouchClockWrong"), unit="s", bad=((30, "red"),)),
    )  # fmt: skip
    for each in numbers:
        made.with_panel(each)
    made.with_panel(
        curves(
            "Decisions by outcome and reason",
            "Looks at CSRs in each interval; one that is held is looked at again and again.",
            ("sum by (outcome, reason) (increase(kubevouch_approver_decisions_total[$__rate_interval])) > 0", "{{outcome}} {{reason}}"),
            stacked=True,
        )
    )  # fmt: skip
    made.with_panel(
        curves(
            "Approvals by others",
            "CSRs approved by other clients, by our policy's outcome.",
            ("sum by (verdict) (increase(kubevouch_approver_others_approved_total[$__rate_interval]))", "{{verdict}}"),
        )
    )  # fmt: skip
    made.with_panel(
        curves(
            "How long a decision takes",
            "Time from the start of a decision to the API server's answer.",
            (f"histogram_quantile(0.5, {_DECISION})", "median"),
            (f"histogram_quantile(0.99, {_DECISION})", "99 %"),
            unit="s",
        )
    )
    made.with_panel(
        curves(
            "Requests to the API server",
            "By the code of the answer; none: there was no answer.",
            ("sum by (code) (rate(kubevouch_approver_api_requests_total[$__rate_interval]))", "{{code}}"),
            unit="reqps",
        )
    )  # fmt: skip
