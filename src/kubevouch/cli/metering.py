"""From the flags of `metrics-server` to a server that runs."""

import contextlib
import os
import secrets  # noqa: TID251 - the one place
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from kubevouch.cli.connect import with_api
from kubevouch.cli.terminal import Terminal
from kubevouch.clock import Clock
from kubevouch.errors import ExitCode, UsageError
from kubevouch.kube.access import SERVICE_ACCOUNT, ClusterAccess
from kubevouch.kube.client import ApiClient
from kubevouch.kube.credentials import fixed_or_files
from kubevouch.metrics.collector import RootsFile
from kubevouch.metrics.fleet import Dialling
from kubevouch.metrics.scraper import Rhythm
from kubevouch.metrics.serving.server import NEVER_INSECURE, Serving, parts_of, serve
from kubevouch.serve.client_trust import ClientTrust
from kubevouch.serve.headers import HeaderNames
from kubevouch.serve.key_pair import key_pair_source
from kubevouch.serve.logs import Log, LogFormat
from kubevouch.serve.process import raise_open_file_limit, stop_on_signals

_SHORTEST = 10.0
_INSTEAD = (
    "`kubevouch doctor` tells why kubelets are not trusted and `kubevouch fix --plan` how to mend it; for kubelets of "
    "another authority there is --kubelet-certificate-authority"
)


@dataclass(frozen=True, slots=True)
class Settings:
    """Flags that were looked at. Times in seconds, texts "" where nothing is given."""

    resolution: float
    request_timeout: float
    kubelet_port: int
    status_port: bool
    address_types: tuple[str, ...]
    kubelet_ca: str
    host: str
    port: int
    cert_dir: str
    cert_file: str
    key_file: str
    given: ClientTrust
    follow: bool
    tolerate: bool
    always_allowed: tuple[str, ...]
    form: LogFormat
    verbosity: int
    node_selector: str


def checked(flags: Mapping[str, object]) -> Settings:
    """What click has read, as values. Raises UsageError, OSError."""
    if flags["insecure"] or flags["insecure_http"]:
        name = (
            "kubelet-insecure-tls"
            if flags["insecure"]
            else "deprecated-kubelet-completely-insecure"
        )
        raise UsageError(f"--{name}", NEVER_INSECURE, _INSTEAD)
    resolution, timeout = _number(flags, "resolution"), _number(flags, "request_timeout")
    if resolution < _SHORTEST:
        raise UsageError("--metric-resolution", f"{resolution:g}s", "at least 10s was expected")
    if not 0 < timeout <= resolution * 0.9:
        expected = (
            f"more than nothing and at most nine tenths of --metric-resolution ({resolution:g}s)"
        )
        raise UsageError("--kubelet-request-timeout", f"{timeout:g}s", expected)
    follow = not flags["skip_lookup"]
    return Settings(
        resolution=resolution,
        request_timeout=timeout,
        kubelet_port=int(_number(flags, "kubelet_port")),
        status_port=bool(flags["status_port"]),
        address_types=_list(flags, "address_types"),
        kubelet_ca=str(flags["kubelet_ca"]),
        host=str(flags["bind_address"]),
        port=int(_number(flags, "secure_port")),
        cert_dir=str(flags["cert_dir"]),
        cert_file=str(flags["cert_file"]),
        key_file=str(flags["key_file"]),
        given=_trust(flags),
        follow=follow,
        tolerate=bool(flags["tolerate"]),
        always_allowed=_list(flags, "always_allowed"),
        form=LogFormat(str(flags["logging_format"])),
        verbosity=int(_number(flags, "verbosity")),
        node_selector=str(flags["node_selector"]),
    )


def _number(flags: Mapping[str, object], name: str) -> float:
    value = flags[name]
    assert isinstance(value, int | float)
    return value


def _list(flags: Mapping[str, object], name: str) -> tuple[str, ...]:
    return tuple(filter(None, (each.strip() for each in str(flags[name]).split(","))))


def _trust(flags: Mapping[str, object]) -> ClientTrust:
    return ClientTrust(
        _pem(flags, "client_ca_file"),
        _pem(flags, "proxy_ca"),
        _list(flags, "allowed_names"),
        HeaderNames(
            _list(flags, "user_headers"),
            _list(flags, "group_headers"),
            _list(flags, "extra_headers"),
        ),
    )


def _pem(flags: Mapping[str, object], name: str) -> bytes:
    path = str(flags[name])
    return Path(path).read_bytes() if path else b""


def run(terminal: Terminal, access: ClusterAccess, settings: Settings) -> ExitCode:
    """Until a signal. Raises KubevouchError, OSError."""
    if not (access.user.token or access.user.token_file):
        expected = "a ServiceAccount's token was expected (deploy/metrics-server/rbac.yaml): kubelets are shown nothing else"
        raise UsageError(access.user.where, "no token", expected)
    read_roots = _roots(access, settings)
    raise_open_file_limit()

    async def work(api: ApiClient, clock: Clock) -> ExitCode:
        log = Log(
            _writer(terminal),
            clock,
            form=settings.form,
            verbosity=settings.verbosity,
            pid=os.getpid(),
        )
        async with stop_on_signals() as stop:
            parts = parts_of(
                api,
                clock,
                log,
                roots=RootsFile(read_roots, clock),
                credentials=fixed_or_files(access.user, clock),
                chance=secrets.SystemRandom().random,
                dialling=Dialling(
                    address_types=settings.address_types,
                    port=settings.kubelet_port,
                    use_status_port=settings.status_port,
                ),
                rhythm=Rhythm(resolution=settings.resolution, timeout=settings.request_timeout),
                node_selector=settings.node_selector,
            )
            await serve(parts, _serving(settings, clock), stop)
        return ExitCode.OK

    return with_api(terminal, access, work)


def _roots(access: ClusterAccess, settings: Settings) -> Callable[[], bytes]:
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


def _serving(settings: Settings, clock: Clock) -> Serving:
    source = key_pair_source(
        settings.cert_file,
        settings.key_file,
        settings.cert_dir,
        now=clock.now(),
        random_serial=secrets.randbits,
    )
    return Serving(
        settings.host,
        settings.port,
        source,
        settings.resolution,
        settings.given,
        settings.follow,
        settings.tolerate,
        settings.always_allowed,
    )


def _writer(terminal: Terminal) -> Callable[[str], None]:
    """Lines to standard error. A log that nobody can take any more does not end the server."""

    def write(line: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            terminal.stderr.write(line)
            terminal.stderr.flush()

    return write
