"""Runs `metrics-server` with its settings until a signal ends it."""

import secrets  # noqa: TID251 - the one place
from collections.abc import Callable
from pathlib import Path

from kubevouch.cli.common.connect import with_api
from kubevouch.cli.common.terminal import Terminal
from kubevouch.cli.metrics_server.settings import MetricsServerSettings
from kubevouch.clock import Clock
from kubevouch.errors import ExitCode, UsageError
from kubevouch.kube.access import SERVICE_ACCOUNT, ClusterAccess
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.io.credentials import fixed_or_files
from kubevouch.metrics.collector import RootsFile
from kubevouch.metrics.fleet import KubeletAddressing
from kubevouch.metrics.scraper import ScrapeSettings
from kubevouch.metrics.serving.server import build_components, serve
from kubevouch.serve.process import raise_open_file_limit, stop_on_signals
from kubevouch.serve.server import ServingOptions


def run(terminal: Terminal, access: ClusterAccess, settings: MetricsServerSettings) -> ExitCode:
    """Until a signal. Raises KubevouchError, OSError."""
    if not (access.user.token or access.user.token_file):
        expected = "a ServiceAccount's token was expected (deploy/metrics-server/rbac.yaml): kubelets are shown nothing else"
        raise UsageError(access.user.where, "no token", expected)
    read_roots = _roots(access, settings)
    raise_open_file_limit()

    async def work(api: ApiClient, clock: Clock) -> ExitCode:
        log = settings.server.log(terminal, clock)
        async with stop_on_signals() as stop:
            parts = build_components(
                api,
                clock,
                log,
                roots=RootsFile(read_roots, clock),
                credentials=fixed_or_files(access.user, clock),
                rng=secrets.SystemRandom().random,
                addressing=KubeletAddressing(
                    address_types=settings.address_types,
                    port=settings.kubelet_port,
                    use_status_port=settings.status_port,
                ),
                settings=ScrapeSettings(
                    resolution=settings.resolution, timeout=settings.request_timeout
                ),
                node_selector=settings.node_selector,
            )
            await serve(parts, _serving(settings, clock), stop)
        return ExitCode.OK

    return with_api(terminal, access, work)


def _roots(access: ClusterAccess, settings: MetricsServerSettings) -> Callable[[], bytes]:
    """Kubelets' authorities: the flag's, else those that the API server is verified by, as metrics-server has it."""
    path = settings.kubelet_ca
    if not path and access.where == "service account":
        path = str(SERVICE_ACCOUNT / "ca.crt")
    if path:
        return Path(path).read_bytes
    if access.roots is None:
        expected = "--kubelet-certificate-authority FILE was expected"
        raise UsageError(access.cluster, "names no authority that kubelets could be of", expected)
    pem = access.roots
    return lambda: pem


def _serving(settings: MetricsServerSettings, clock: Clock) -> ServingOptions:
    return ServingOptions(
        settings.server.host,
        settings.server.port,
        settings.server.pair_source(clock),
        settings.given,
        settings.follow,
        settings.tolerate,
        settings.always_allowed,
        settings.shutdown_delay,
    )
