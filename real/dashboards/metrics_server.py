"""The dashboard of the metrics server."""

from typing import Final

from grafana_foundation_sdk.builders import dashboard

from kubevouch.tls import FailureKind
from kubevouch.x509.reasons import VerifyReason
from real.charts import METRICS_SERVER
from real.dashboards.alerts import Alerts
from real.dashboards.panels import ANY_IS_BAD, ANY_IS_ODD, board, curves, firing, number, row, rows

_BY_TLS: Final = (
    *(each for each in VerifyReason if each is not VerifyReason.TRUSTED),
    FailureKind.ALERT,
    FailureKind.NOT_TRUSTED,
    FailureKind.UNREADABLE_CERTIFICATE,
    FailureKind.WRONG_IDENTITY,
)
"""Reasons of failed scrapes that are about certificates."""
_KNOWN: Final = "metrics_server_storage_points"
_LAST: Final = "kubevouch_kubelet_scrape_last_failure_info"
_DURATION: Final = "metrics_server_kubelet_request_duration_seconds"


def metrics_server() -> dashboard.Dashboard:
    """Nodes without metrics, scrapes, and the age and the requests of served metrics."""
    alerts = Alerts(METRICS_SERVER)
    made = board(
        "kubevouch / Metrics server",
        "kubevouch-metrics-server",
        "Scrapes of kubelets, and the metrics that are served as metrics.k8s.io.",
        _KNOWN,
    )
    _stands(made, alerts)
    _scrapes(made, alerts)
    _served(made, alerts)
    return made


def _stands(made: dashboard.Dashboard, alerts: Alerts) -> None:
    refused = f'max by (node) ({_LAST}{{reason=~"{"|".join(_BY_TLS)}"}})'
    made.with_row(row("Overview"))
    numbers = (
        number("Replicas", "Pods that Prometheus reads.", 'count(metrics_server_storage_points{type="node"})', base="red", bad=((1, "green"),)),
        number("Nodes", "Nodes that are scraped.", "count(max by (node) (metrics_server_kubelet_last_request_time_seconds))"),
        number("Nodes without metrics", "HPAs do not see the pods on these nodes.", alerts.value("KubevouchNodesWithoutMetrics"), bad=ANY_IS_BAD),
        number("Refused by TLS", "Kubelets that do not verify, and so were sent nothing.", f"count({refused}) or 0 * count({_KNOWN})", bad=ANY_IS_BAD),
        number("Asked without a credential", "Kubelets that are not verified, because of --kubelet-insecure-tls.", f"max(kubevouch_kubelets_unverified) or 0 * count({_KNOWN})", bad=ANY_IS_ODD),
        number("Restarted tasks", "Scrape tasks that died. Please report this.", "sum(increase(kubevouch_scrape_task_restarts_total[$__range]))", bad=ANY_IS_ODD),
    )  # fmt: skip
    for each in numbers:
        made.with_panel(each)
    made.with_panel(firing(alerts.fire()))
    made.with_panel(
        rows(
            "Nodes whose last scrape failed",
            "`kubevouch probe NODE` shows the certificate, and `kubevouch plan -o plan.json` plans the fix.",
            f"max by (node, reason) ({_LAST})",
            "node",
            "reason",
        )
    )


def _scrapes(made: dashboard.Dashboard, alerts: Alerts) -> None:
    buckets = f"sum by (le) (rate({_DURATION}_bucket[$__rate_interval]))"
    made.with_row(row("Scrapes"))
    made.with_panel(
        curves(
            "Scrapes",
            "Requests to kubelets, by success.",
            ("sum by (success) (rate(metrics_server_kubelet_request_total[$__rate_interval]))", "success: {{success}}"),
            unit="reqps",
        )
    )  # fmt: skip
    made.with_panel(
        curves(
            "Nodes whose last scrape failed, by the reason",
            "The reasons are in docs/reference/metrics-server.md.",
            (alerts.value("KubevouchScrapesFail"), "{{reason}}"),
            stacked=True,
        )
    )
    made.with_panel(
        curves(
            "How long kubelets take to answer",
            "Over all nodes.",
            (f"histogram_quantile(0.5, {buckets})", "median"),
            (f"histogram_quantile(0.99, {buckets})", "99 %"),
            unit="s",
        )
    )
    made.with_panel(
        curves(
            "Longest time since a scrape",
            "By node. A scrape starts every 15 s, even after failures.",
            (f"topk(5, {alerts.value('KubevouchNodeNotAsked')})", "{{node}}"),
            unit="s",
        )
    )


def _served(made: dashboard.Dashboard, alerts: Alerts) -> None:
    made.with_row(row("Served metrics"))
    made.with_panel(
        curves(
            "Age of served metrics",
            "95 % of the responses are younger.",
            (alerts.value("KubevouchMetricsOld"), "95 %"),
            unit="s",
        )
    )
    made.with_panel(
        curves(
            "Requests by version",
            "Requests for metrics.k8s.io, with the response code. HPAs up to Kubernetes 1.37 request v1beta1.",
            ("sum by (version, code) (rate(kubevouch_metrics_api_requests_total[$__rate_interval]))", "{{version}} {{code}}"),
            unit="reqps",
        )
    )  # fmt: skip
