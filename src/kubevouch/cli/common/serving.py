"""The command-line options that all servers share: listener, certificate and log."""

import contextlib
import os
import secrets  # noqa: TID251 - the one place
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from kubevouch.cli.common.options import F, all_of

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from kubevouch.cli.common.terminal import Terminal
    from kubevouch.clock import Clock
    from kubevouch.errors import ExitCode
    from kubevouch.kube.access import ClusterAccess
    from kubevouch.kube.io.client import ApiClient
    from kubevouch.kube.io.http_client import RequestObserver
    from kubevouch.serve.key_pair import KeyPairSource
    from kubevouch.serve.logs import Log
    from kubevouch.serve.server import ServerPart


@dataclass(frozen=True)
class ServerFlags:
    """The values of the options in `listening` and `logging`. For paths, "" means not given."""

    host: str
    port: int
    cert_dir: str
    cert_file: str
    key_file: str
    form: str
    verbosity: int

    def pair_source(self, clock: "Clock") -> "KeyPairSource":
        """The source of the serving certificate and key: files or a new pair. Raises KubevouchError, OSError."""
        from kubevouch.serve.key_pair import key_pair_source

        return key_pair_source(
            self.cert_file,
            self.key_file,
            self.cert_dir,
            now=clock.now(),
            random_serial=secrets.randbits,
        )

    def log(self, terminal: "Terminal", clock: "Clock") -> "Log":
        """A log that writes to standard error."""
        from kubevouch.serve.logs import Log, LogFormat

        form = LogFormat(self.form)
        return Log(_writer(terminal), clock, form=form, verbosity=self.verbosity, pid=os.getpid())


def serve_in_cluster(
    terminal: "Terminal",
    access: "ClusterAccess",
    flags: ServerFlags,
    registry: "CollectorRegistry",
    observe: "RequestObserver",
    make: Callable[["ApiClient", "Log"], "ServerPart"],
) -> "ExitCode":
    """Runs a server until a signal ends it.

    registry: the metrics to serve. observe: called for each request to the API server. make: returns what the
    server runs and serves.

    Raises:
        KubevouchError, OSError: the server failed, or could not listen.
    """
    from kubevouch.cli.common.event_loop import run_loop
    from kubevouch.errors import ExitCode
    from kubevouch.kube.io.client import ApiClient
    from kubevouch.serve.process import raise_open_file_limit, stop_on_signals
    from kubevouch.serve.server import Delegation, ServingOptions, serve_part
    from kubevouch.serve.tls_reload import TlsSources
    from kubevouch.system_clock import SystemClock

    async def work() -> ExitCode:
        clock = SystemClock()
        log = flags.log(terminal, clock)
        options = ServingOptions(
            flags.host,
            flags.port,
            TlsSources(flags.pair_source(clock)),
            # Start even if the CAs for clients of /metrics cannot be read.
            Delegation(tolerate_missing=True),
        )
        environ = terminal.environment
        async with (
            ApiClient(access, clock=clock, environ=environ, observe=observe) as api,
            stop_on_signals() as stop,
        ):
            part = make(api, log)
            await serve_part(
                api, api.server_clock, log, options, part=part, registry=registry, stop=stop
            )
        return ExitCode.OK

    raise_open_file_limit()
    return run_loop(work())


def _writer(terminal: "Terminal") -> Callable[[str], None]:
    """Returns a function that writes lines to standard error. A failed write does not stop the server."""

    def write(line: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            terminal.stderr.write(line)
            terminal.stderr.flush()

    return write


class _Level(click.IntRange):
    """The type of an integer option that also accepts Go's syntax for a single-letter flag: -v=3."""

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        text: Any = str(value).removeprefix("=")
        return int(super().convert(text, param, ctx))


def listening(port: int) -> Callable[[F], F]:
    """Adds the options of the listener, with the same names as in Kubernetes' own servers. port: the default port."""
    return all_of(
        click.option(
            "--bind-address",
            "host",
            default="0.0.0.0",  # noqa: S104
            show_default=True,
            # Also accepts the brackets of a URL.
            callback=lambda _, __, given: given.removeprefix("[").removesuffix("]"),
        ),
        click.option(
            "--secure-port",
            "port",
            type=click.IntRange(0, 65535),
            default=port,
            show_default=True,
        ),
        click.option(
            "--cert-dir",
            default="",
            metavar="FOLDER",
            help="Folder with apiserver.crt and apiserver.key, created if missing. Default: a key pair in memory.",
        ),
        click.option(
            "--tls-cert-file",
            "cert_file",
            default="",
            metavar="FILE",
            help="Serving certificate chain, leaf first. Reloaded after a change.",
        ),
        click.option(
            "--tls-private-key-file",
            "key_file",
            default="",
            metavar="FILE",
            help="Key of --tls-cert-file.",
        ),
    )


def logging(more: str) -> Callable[[F], F]:
    """Adds --logging-format and -v. more: the help for the levels of -v."""
    return all_of(
        click.option(
            "--logging-format",
            "form",
            type=click.Choice(["text", "json"]),
            default="text",
            show_default=True,
        ),
        click.option(
            "-v",
            "--v",
            "verbosity",
            type=_Level(0),
            default=0,
            metavar="NUMBER",
            help=f"Log verbosity: {more}.",
        ),
    )
