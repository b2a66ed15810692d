"""Shell completion for contexts, runs, nodes and finding codes. Offers nothing if it cannot read them."""

import io
from collections.abc import Callable, Iterable
from shlex import quote
from typing import TYPE_CHECKING

import click

from kubevouch.errors import KubevouchError

if TYPE_CHECKING:
    from kubevouch.cli.common.terminal import Terminal
    from kubevouch.clock import Clock
    from kubevouch.kube.io.client import ApiClient

_TIMEOUT = 3.0
"""Timeout for the API server in seconds. It is short, because a person waits at the prompt."""

Completion = Callable[[click.Context, click.Parameter, str], list[str]]


def completed(names: Callable[[click.Context, "Terminal"], Iterable[str]]) -> Completion:
    """Returns a `shell_complete` callback that offers the results of `names`."""

    def offered(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
        from kubevouch.cli.common.terminal import Terminal

        found = ctx.find_object(Terminal)
        assert found is not None
        # Messages must not overwrite the prompt, and a credential plugin must not ask for input.
        terminal = Terminal(found.stdin, found.stdout, io.StringIO(), found.environment)
        try:
            offered = [each for each in names(ctx, terminal) if each.startswith(incomplete)]
            # bash inserts a name unquoted, and an API server or a kubeconfig may contain any name.
            return [each for each in offered if quote(each) == each and each[0] != "-"]
        except (KubevouchError, OSError):
            return []

    return offered


def context_names(ctx: click.Context, terminal: "Terminal") -> Iterable[str]:
    """The contexts of the kubeconfig."""
    from kubevouch.kube.kubeconfig import read_kubeconfig

    return read_kubeconfig(terminal.environment, ctx.params.get("kubeconfig") or "").contexts


def run_names(_: click.Context, terminal: "Terminal") -> Iterable[str]:
    """The runs stored on this machine."""
    from kubevouch.cli.common.runs import runs_folder

    return sorted(each.stem for each in runs_folder(terminal.environment).glob("*.json"))


def node_names(ctx: click.Context, terminal: "Terminal") -> Iterable[str]:
    """The Nodes of the selected cluster."""
    import asyncio

    from kubevouch.cli.common.connect import access_of, with_api
    from kubevouch.kube.resources import NODES

    async def listed(api: "ApiClient", _: "Clock") -> list[str]:
        async with asyncio.timeout(_TIMEOUT):
            return [each.name for each in await api.list_all(NODES)]

    params = ctx.params
    access = access_of(terminal, params.get("kubeconfig"), params.get("context"))
    return with_api(terminal, access, listed)


def finding_codes(_: click.Context, __: "Terminal") -> Iterable[str]:
    """The codes of all findings."""
    from kubevouch.diagnose.catalogue import CATALOGUE

    return CATALOGUE
