"""Runs `metrics-server run` with its settings until a signal ends it."""

import secrets  # noqa: TID251 - the one place
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

from kubevouch.cli.common.connect import access_of, with_api
from kubevouch.cli.common.terminal import Terminal
from kubevouch.cli.metrics_server.settings import MetricsServerSettings
from kubevouch.clock import Clock
from kubevouch.errors import ExitCode, UsageError
from kubevouch.kube.access import SERVICE_ACCOUNT, ClusterAccess
from kubevouch.kube.errors import CredentialError, KubeconfigError
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.io.credentials import Credentials, UserCredentials
from kubevouch.kube.kubeconfig import User
from kubevouch.metrics.collector import RootsFile
from kubevouch.metrics.scraper import KubeletAccess
from kubevouch.metrics.serving.server import MetricsServer
from kubevouch.named_files import bytes_in
from kubevouch.serve.key_pair import ServingPairSource
from kubevouch.serve.logs import Log
from kubevouch.serve.process import freeze_what_is_loaded, raise_open_file_limit, stop_on_signals
from kubevouch.serve.server import Delegation, ServingOptions
from kubevouch.serve.shared_authority import SharedAuthority
from kubevouch.serve.tls_reload import TlsSources
from kubevouch.x509 import X509Error

_LARGEST: Final = 1 << 24
_ROOTS_KEPT: Final = "Failed to reload the CAs of kubelets; the previous ones stay in use"
_CERTIFICATE_KEPT: Final = (
    "Failed to reload the client certificate for kubelets; the previous one stays in use"
)


def serve_metrics(
    terminal: Terminal,
    access: ClusterAccess,
    settings: MetricsServerSettings,
    unused: Sequence[str],
    ignored: Sequence[str],
) -> ExitCode:
    """Runs the server until a signal ends it. Raises KubevouchError, OSError.

    unused: flags that were given but have no effect. ignored: arguments that are not flags.
    """
    check_token(access)
    others = _other_accesses(terminal, settings)
    raise_open_file_limit()
    freeze_what_is_loaded()

    async def work(api: ApiClient, clock: Clock) -> ExitCode:
        log = settings.flags.log(terminal, clock)
        _warn_of_unused(log, unused, ignored)
        log_warnings(log, settings)
        async with AsyncExitStack() as stack:
            stop = await stack.enter_async_context(stop_on_signals())
            clients = {
                path: await stack.enter_async_context(
                    ApiClient(other, clock=clock, environ=terminal.environment)
                )
                for path, other in others.items()
            }
            flags = settings.flags
            server = MetricsServer(
                api,
                clock,
                log,
                KubeletAccess(
                    kubelet_roots(access, flags.kubelet_certificate_authority, clock, log),
                    UserCredentials(access.user, clock),
                    await kubelet_certificate(
                        flags.kubelet_client_certificate, flags.kubelet_client_key, clock, log
                    ),
                ),
                rng=secrets.SystemRandom().random,
                settings=settings.scraping,
            )
            pair = _authority(settings, api, log) or flags.pair_source(clock)
            serving = _serving(settings, clients, pair, in_pod=_in_pod(access))
            await server.serve(serving, stop)
        return ExitCode.OK

    return with_api(terminal, access, work)


def check_token(access: ClusterAccess) -> None:
    """Raises UsageError if we have no token for kubelets."""
    if not (access.user.token or access.user.token_file):
        expected = "expected a ServiceAccount token for kubelets (deploy/metrics-server/rbac.yaml)"
        raise UsageError(access.user.where, "no token", expected)


def _warn_of_unused(log: Log, unused: Sequence[str], ignored: Sequence[str]) -> None:
    if ignored:
        log.warning(
            "Ignoring arguments without a flag; write a boolean as --flag=false",
            words=" ".join(ignored),
        )
    if unused:
        log.warning("Ignoring flags that have no effect", flags=", ".join(unused))


def log_warnings(log: Log, settings: MetricsServerSettings) -> None:
    """Warns about flags without an effect, and flags that weaken security."""
    if settings.given.allowed_names and not settings.given.proxy_ca:
        log.warning(
            "--requestheader-allowed-names has no effect without --requestheader-client-ca-file: the API server's published settings apply"
        )
    for text in settings.tls.warnings:
        log.warning(text)
    scraping = settings.scraping
    if scraping.insecure:
        share = scraping.ready_min_nodes
        awaited = f"{share * 100:g}% of the ready nodes were" if share else "every ready node was"
        text = (
            "--kubelet-insecure-tls: kubelets that cannot be verified get no credential, so nearly all answer 401 or "
            f"403; /readyz fails until {awaited} scraped. `kubevouch doctor` shows "
            "why they cannot be verified, and `kubevouch plan -o plan.json` shows the fix"
        )
        log.warning(text)


def _other_accesses(
    terminal: Terminal, settings: MetricsServerSettings
) -> dict[str, ClusterAccess]:
    """The API servers of --authentication-kubeconfig and --authorization-kubeconfig, by path."""
    found: dict[str, ClusterAccess] = {}
    for flag, path in (
        ("--authentication-kubeconfig", settings.flags.authentication_kubeconfig),
        ("--authorization-kubeconfig", settings.flags.authorization_kubeconfig),
    ):
        if path and path not in found:
            try:
                found[path] = access_of(terminal, path, None)
            except KubeconfigError as error:
                expected = "expected a kubeconfig"
                raise UsageError(f"{flag} {error.where}", error.seen, expected) from None
    return found


def kubelet_roots(access: ClusterAccess, path: str, clock: Clock, log: Log) -> RootsFile:
    """The CAs for kubelets, reloaded regularly. Raises UsageError.

    path: the value of --kubelet-certificate-authority, or "".
    """
    where, read = _roots(access, path)
    try:
        return RootsFile(read, clock, report=_kept(log, _ROOTS_KEPT))
    except X509Error as error:
        raise UsageError(where, error.seen, error.expected) from None


def _roots(access: ClusterAccess, path: str) -> tuple[str, Callable[[], bytes]]:
    """The location of the CAs for kubelets, and a function that reads them.

    path: the value of --kubelet-certificate-authority. If it is empty, these are the API server's CAs, as in
    metrics-server.
    """
    if path:
        where = f"--kubelet-certificate-authority {path}"
        expected = "expected CA certificates in PEM"
        return where, lambda: bytes_in(Path(path), most=_LARGEST, expected=expected, where=where)
    if _in_pod(access):
        file = SERVICE_ACCOUNT / "ca.crt"
        return str(file), file.read_bytes
    if access.roots is None:
        expected = "expected --kubelet-certificate-authority FILE"
        raise UsageError(access.cluster, "has no CA for kubelets", expected)
    pem = access.roots
    return access.cluster, lambda: pem


async def kubelet_certificate(
    certificate: str, key: str, clock: Clock, log: Log
) -> Credentials | None:
    """The client certificate for kubelets, reloaded regularly. Raises UsageError."""
    if not certificate:
        return None
    flags = "--kubelet-client-certificate, --kubelet-client-key"
    user = User(
        where=flags,
        # Absolute, since the working directory may change.
        client_certificate=str(Path(certificate).absolute()),
        client_key=str(Path(key).absolute()),
    )
    found = UserCredentials(user, clock, report=_kept(log, _CERTIFICATE_KEPT))
    try:
        # Otherwise an unreadable file would cause an error for each node.
        await found.current()
    except (KubeconfigError, CredentialError) as error:
        raise UsageError(flags, error.seen, error.expected) from None
    return found


def _kept(log: Log, message: str) -> Callable[[str], None]:
    """Returns a function that logs this message, and why a reload has failed."""
    return lambda why: log.error(why, message)


def _in_pod(access: ClusterAccess) -> bool:
    return access.where == "service account"


def _authority(settings: MetricsServerSettings, api: ApiClient, log: Log) -> SharedAuthority | None:
    if (place := settings.tls.authority) is None:
        return None
    rng = secrets.SystemRandom().random
    return SharedAuthority(place, api, log, random_serial=secrets.randbits, rng=rng)


def _serving(
    settings: MetricsServerSettings,
    clients: dict[str, ApiClient],
    pair: ServingPairSource,
    *,
    in_pod: bool,
) -> ServingOptions:
    flags = settings.flags
    follow = not flags.authentication_skip_lookup
    return ServingOptions(
        flags.host,
        flags.port,
        TlsSources(pair, settings.tls.named, settings.given.read, follow, settings.tls.settings),
        Delegation(
            authentication=clients.get(flags.authentication_kubeconfig),
            authorization=clients.get(flags.authorization_kubeconfig),
            token_ttl=flags.authentication_token_webhook_cache_ttl,
            allowed_ttl=flags.authorization_webhook_cache_authorized_ttl,
            denied_ttl=flags.authorization_webhook_cache_unauthorized_ttl,
            always_allowed=flags.authorization_always_allow_paths,
            tolerate_missing=flags.authentication_tolerate_lookup_failure,
        ),
        shutdown_delay=settings.delay(in_pod=in_pod),
        request_timeout=flags.request_timeout,
        most_in_flight=flags.max_requests_inflight,
    )
