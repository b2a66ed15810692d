"""The common steps of `remove`: list the objects, ask for confirmation, and delete them."""

from collections.abc import Sequence

from kubevouch.cli.common.connect import named, with_api
from kubevouch.cli.common.terminal import Terminal
from kubevouch.cli.install.changes import delete_all, read_live, stopped_halfway
from kubevouch.cli.install.product import Live, Manifest, Product, image_in
from kubevouch.errors import ExitCode, KubevouchError
from kubevouch.kube.access import ClusterAccess


def remove_plainly(
    terminal: Terminal, access: ClusterAccess, product: Product, *, yes: bool
) -> ExitCode:
    """Like `remove_product`, for a server without stored data."""
    live = with_api(terminal, access, lambda api, _: read_live(api, product))
    spaces = [str(each) for each in product.objects if each.resource.kind == "Namespace"]
    return remove_product(terminal, access, product, live, stays=spaces, yes=yes)


def remove_product(
    terminal: Terminal,
    access: ClusterAccess,
    product: Product,
    live: Live,
    *,
    written: Sequence[Manifest] = (),
    warning: str = "",
    undo: Sequence[str] = (),
    stays: Sequence[str] = (),
    yes: bool,
) -> ExitCode:
    """Deletes the server's objects. Exit code 4: declined, or stopped halfway.

    written: ConfigMaps with stored data to delete, too. undo: more flags for the `install` command that undoes the
    removal. stays: what is kept, in words.
    """
    there = [each for each in product.objects if each.reference in live and not each.stays]
    going = [*written, *there]
    if not going:
        terminal.out(f"Nothing to remove: the {product.title} is not installed.")
        _print_kept(terminal, stays)
        return ExitCode.OK
    for each in going:
        terminal.out(f"- {each}")
    for text in filter(None, (warning, product.without)):
        terminal.note(text)
    terminal.confirm(f"delete these {len(going)} objects, on {named(access)}", yes=yes)
    # Before the first write, which may be interrupted.
    again = ("kubevouch", product.verb, "install", "--image", image_in(product, live), *undo)
    terminal.command("UNDO  ", again)
    terminal.nothing_changed = False
    try:
        with_api(
            terminal, access, lambda api, _: delete_all(api, product, going, written_down=True)
        )
    except KubevouchError as error:
        return stopped_halfway(terminal, error)
    terminal.out(f"{len(going)} objects deleted.")
    _print_kept(terminal, stays)
    return ExitCode.OK


def _print_kept(terminal: Terminal, stays: Sequence[str]) -> None:
    for text in stays:
        terminal.wrapped(text, "Kept: ")
