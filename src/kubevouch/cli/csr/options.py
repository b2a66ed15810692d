"""The options of `csr` that say where the allowed names of a node come from."""

import functools
import re
from collections.abc import Callable
from pathlib import Path

import click

from kubevouch.cli.common.options import allow, cluster_domain, service_cidr


def _sha256(_: click.Context, __: click.Parameter, value: str) -> str:
    """Also with the colons and capitals of openssl."""
    text = value.rpartition("=")[2].replace(":", "").lower()
    if value and not re.fullmatch("[0-9a-f]{64}", text):
        raise click.BadParameter(f"expected a SHA-256 in 64 hexadecimal digits, got {value!r}")
    return text


credential = click.option(
    "--credential",
    default="",
    callback=_sha256,
    metavar="SHA256",
    help="You say that this client certificate is the kubelet's own, as the node's disk shows it. Of one NAME.",
)


def allowing(function: Callable[..., int]) -> Callable[..., int]:
    """Where the allowed names of a node come from; the verb gets them as `sources`."""

    @functools.wraps(function)
    def with_sources(
        allow: tuple[str, ...],
        plan_file: Path | None,
        trust_node_status: bool,
        cluster_domain: str,
        service_cidr: tuple[str, ...],
        **others: object,
    ) -> int:
        from kubevouch.cli.csr.sources import Sources

        sources = Sources.of(
            allow,
            plan_file,
            trust_node_status=trust_node_status,
            cluster_domain=cluster_domain,
            service_cidr=service_cidr,
        )
        return function(sources=sources, **others)

    verb: Callable[..., int] = with_sources
    for option in (
        click.option(
            "--trust-node-status",
            is_flag=True,
            help="Take the node's own word for the addresses in its status. Weak: a node can write them itself.",
        ),
        click.option(
            "--plan",
            "plan_file",
            metavar="FILE",
            type=click.Path(path_type=Path),
            help="A plan of `apply`, not older than a day: names and addresses of each node, with how we know.",
        ),
        cluster_domain,
        service_cidr,
        allow,
    ):
        verb = option(verb)
    return verb
