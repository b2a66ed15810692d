"""`probe`: one kubelet, host or file: what it presents, and what metrics-server would say of it. Reads only."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from kubevouch.cli.common.options import cluster, output, seconds, terminal_of

if TYPE_CHECKING:
    from kubevouch.clock import Clock
    from kubevouch.evidence.gather.probe import ProbeResult
    from kubevouch.kube.io.client import ApiClient


@click.command("probe", short_help="A kubelet, host or file: certificate and verdict. Reads only.")
@click.argument("target")
@cluster
@output("table", "json")
@click.option(
    "--name", metavar="NAME", help="Judge it for this name or address in place of the one dialled."
)
@click.option(
    "--ca",
    "ca_file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Judge it by these authorities in place of the cluster's; no cluster is asked then.",
)
@click.option(
    "--timeout", type=seconds, default="10s", show_default=True, help="For the handshake."
)
@click.pass_context
def command(
    ctx: click.Context,
    target: str,
    kubeconfig: str | None,
    context: str | None,
    name: str | None,
    ca_file: Path | None,
    timeout: float,
) -> int:
    """TARGET is HOST[:PORT], the name of a Node, or a file in PEM or DER.

    Tells what `openssl s_client` and `openssl x509` tell, plus the verdict by the cluster's CA, in the words that
    metrics-server would log. A host is dialled with a bare TLS handshake: no credential is sent.
    """
    from kubevouch.cli.common.connect import access_of, with_api
    from kubevouch.cli.common.event_loop import run_loop
    from kubevouch.cli.probe.render import print_probe
    from kubevouch.evidence.gather.probe import ProbeOptions, examine, trust_in
    from kubevouch.kube.errors import KubeconfigError
    from kubevouch.system_clock import SystemClock

    terminal = terminal_of(ctx)
    options = ProbeOptions(target, name, timeout)
    if ca_file is not None:
        probed = run_loop(examine(None, SystemClock(), options, trust=trust_in(ca_file)))
        return print_probe(terminal, probed)
    try:
        access = access_of(terminal, kubeconfig, context)
    except KubeconfigError as error:
        if kubeconfig or context:
            raise
        # A certificate can be shown without any cluster, on a node, say.
        probed = run_loop(examine(None, SystemClock(), options, doubt=str(error)))
        return print_probe(terminal, probed)

    async def work(api: "ApiClient", clock: "Clock") -> "ProbeResult":
        return await examine(api, clock, options)

    return print_probe(terminal, with_api(terminal, access, work))
