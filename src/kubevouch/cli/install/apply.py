"""The common steps of `install` and `upgrade`: show each change, ask for confirmation, apply, and wait."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from kubevouch.cli.common.connect import named, with_api
from kubevouch.cli.common.terminal import Terminal
from kubevouch.cli.install.changes import (
    Change,
    apply_all,
    changes,
    check_as_shown,
    delete_all,
    read_live,
    stopped_halfway,
    wait_until_ready,
)
from kubevouch.cli.install.product import (
    Live,
    Manifest,
    Present,
    Product,
    image_in,
    listed,
    manifests,
    no_longer_wanted,
)
from kubevouch.cli.install.products import PRODUCTS
from kubevouch.clock import Clock
from kubevouch.diagnose.make import counted
from kubevouch.errors import ExitCode, KubevouchError, UsageError
from kubevouch.evidence.gather.inquiry import together
from kubevouch.kube.access import ClusterAccess
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import NODES

_ADMISSION_SINCE = 30


@dataclass(frozen=True)
class ApplyOptions:
    """The flags that all `install` and `upgrade` commands have."""

    image: str
    upgrade: bool
    yes: bool
    wait: float


@dataclass(frozen=True)
class More:
    """An additional step of an install.

    text: describes the step in the prompt; "" if there is no step. write: carries it out, before the Deployment is
    applied.
    """

    text: str = ""
    write: Callable[[ApiClient], Awaitable[None]] | None = None


@dataclass(frozen=True)
class _Work:
    changed: Sequence[Change]
    going: Sequence[Manifest]
    more: More

    def __str__(self) -> str:
        parts = [(len(self.changed), "create or change"), (len(self.going), "delete")]
        told = [f"{verb} {counted(number, 'object')}" for number, verb in parts if number]
        return ", ".join([*told, *filter(None, [self.more.text])])


async def cluster_state(api: ApiClient, product: Product) -> Present:
    """Reads the state of the cluster before the install. Raises KubeError."""
    version = await api.version()
    minor = "".join(each for each in version.minor if each.isascii() and each.isdigit())
    live, nodes = await together(read_live(api, product), api.list_all(NODES))
    return Present(int(minor or 0) >= _ADMISSION_SINCE, live, nodes)


def install_plainly(
    terminal: Terminal, access: ClusterAccess, product: Product, options: ApplyOptions
) -> ExitCode:
    """Like `install_product`, for a server whose only setting is its image."""
    present = with_api(terminal, access, lambda api, _: cluster_state(api, product))
    wanted = manifests(product, options.image, present)
    return install_product(terminal, access, product, present, wanted, options)


def install_product(
    terminal: Terminal,
    access: ClusterAccess,
    product: Product,
    present: Present,
    wanted: Sequence[Manifest],
    options: ApplyOptions,
    *,
    more: Callable[[], More] = More,
    undo: Sequence[str] = (),
) -> ExitCode:
    """Installs or upgrades a server. Exit code 0: applied and ready. 4: conflict, stopped halfway, or not ready in time.

    more: returns an additional step; called after all changes were shown. undo: more flags for the command that
    restores the former image.
    """
    is_installed = product.deployment in present.live
    if options.upgrade and not is_installed:
        seen = f"the {product.title} is not installed"
        raise UsageError(f"{product.verb} upgrade", seen, "run `install` first")
    if not present.has_admission and any(each.is_admission for each in product.objects):
        terminal.note("Kubernetes is older than 1.30, so the admission policies are left out.")
    wanted = listed(wanted)
    found = with_api(terminal, access, lambda api, _: changes(api, product, wanted))
    if conflicts := [each for each in found if each.conflict]:
        for each in conflicts:
            terminal.error(f"{each.manifest}: {each.conflict}")
        terminal.note("Nothing was changed.")
        return ExitCode.STOPPED
    going = no_longer_wanted(product, present.live, wanted, PRODUCTS.values())
    changed = [each for each in found if each.diff]
    _show(terminal, changed, going)
    work = _Work(changed, going, more())
    if not str(work):
        terminal.out(f"Nothing to change: the {product.title} is up to date.")
        terminal.end_if_dry()
    else:
        verb = "upgrade" if is_installed else "install"
        what = f"{verb} the {product.title}: {work}, on {named(access)}"
        terminal.confirm(what, yes=options.yes)
        with_api(terminal, access, lambda api, _: check_as_shown(api, product, found))
        _print_undo(terminal, product, present.live, undo)
        terminal.nothing_changed = False
    return _applied(terminal, access, product, wanted, work, options.wait)


def _show(terminal: Terminal, changed: Sequence[Change], going: Sequence[Manifest]) -> None:
    """Prints every change as a unified diff against the live object."""
    for each in changed:
        for line in each.diff:
            terminal.out(line)
    for manifest in going:
        terminal.out(f"--- {manifest}: will be deleted")
    new = sum(each.live is None for each in changed)
    text = f"{new} new objects, {len(changed) - new} changed, {len(going)} to be deleted"
    terminal.note(text)


def _print_undo(terminal: Terminal, product: Product, live: Live, more: Sequence[str]) -> None:
    """Prints the UNDO command. Call this before the first write, since the write may be interrupted."""
    if product.deployment not in live:
        terminal.command("UNDO  ", f"kubevouch {product.verb} remove")
        return
    words = ("kubevouch", product.verb, "upgrade", "--image", image_in(product, live), *more)
    terminal.command("UNDO  ", words)
    rest = "undo other changes by hand: the diff above shows the former values"
    terminal.wrapped(rest, "      ")


def _applied(
    terminal: Terminal,
    access: ClusterAccess,
    product: Product,
    wanted: Sequence[Manifest],
    work: _Work,
    wait: float,
) -> ExitCode:
    """Applies the changes, and waits until the server is ready. After a failure, the operator can repeat the command."""
    *others, deployment = wanted

    async def applying(api: ApiClient, clock: Clock) -> tuple[str, ...]:
        if str(work):
            await apply_all(api, others)
            if work.more.write:
                await work.more.write(api)
            await delete_all(api, product, work.going)
            await apply_all(api, [deployment])
        return await wait_until_ready(api, clock, terminal, product, wait)

    try:
        hindrances = with_api(terminal, access, applying)
    except KubevouchError as error:
        return stopped_halfway(terminal, error)
    _print_end(terminal, product, hindrances, wait)
    return ExitCode.STOPPED if hindrances else ExitCode.OK


def _print_end(
    terminal: Terminal, product: Product, hindrances: Sequence[str], wait: float
) -> None:
    """Prints whether the server is ready, and the next command.

    hindrances: why the server is not ready. wait: for how many seconds the command has waited.
    """
    if not hindrances:
        terminal.out(f"The {product.title} is ready: {product.ready}.")
        terminal.command("NEXT  ", product.then)
        return
    seen, *more = hindrances
    terminal.out(f"The {product.title} is applied, but not ready after {wait:.0f} s: {seen}.")
    for text in more:
        terminal.wrapped(text, "      ")
    terminal.command("NEXT  ", f"kubectl -n {product.namespace} get pods,events")
