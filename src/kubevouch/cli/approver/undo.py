"""How an install or an upgrade is undone: what is new is taken out; of what was there before, image, configuration and what the admission policies do come back."""

from collections.abc import Mapping, Sequence
from shlex import join
from typing import Any

from kubevouch.cli.approver.changes import Change
from kubevouch.cli.approver.installation import DEPLOYMENT, KEPT, NAMESPACE
from kubevouch.cli.approver.new_nodes import NewNodes, NewNodeWish, wish_in
from kubevouch.cli.approver.undo_pins import Former, say_how_pins_are_undone
from kubevouch.cli.common.terminal import Terminal
from kubevouch.diagnose.make import counted
from kubevouch.kube.images import names_an_image
from kubevouch.kube.resources import NAMESPACES
from kubevouch.policy.sources.configuration import CONFIGURATION, CONFIGURATION_KEY

_REMOVE = "kubevouch approver remove"
_OF_THE_DEPLOYMENT = ("Deployment", DEPLOYMENT)
_OF_THE_CONFIGURATION = ("ConfigMap", CONFIGURATION)


def say_how_it_is_undone(
    terminal: Terminal, changes: Sequence[Change], gone: int, pins: Former
) -> None:
    """The commands, and what they leave. gone: how many objects were deleted. pins: what was written. Nothing where nothing was changed."""
    changed = sum(each.differs for each in changes) + gone
    if not _was_installed(changes):
        terminal.command("UNDO  ", _REMOVE)
        if before := sum(_goes_with_a_removal(each) for each in changes):
            were = "object that was" if before == 1 else "objects that were"
            terminal.wrapped(f"it takes out {before} {were} there before as well", "      ")
        return
    if changed:
        _say_how_objects_come_back(terminal, changes, changed)
    say_how_pins_are_undone(terminal, pins, lead="      " if changed else "UNDO  ")


def _say_how_objects_come_back(terminal: Terminal, changes: Sequence[Change], changed: int) -> None:
    """Of an approver that was there before. changed: how many of its objects were changed, made or deleted."""
    command, what, undone = _command(changes)
    if not command and changed == sum(each.is_new for each in changes):
        _say_how_new_objects_go(terminal, changes)
        return
    if not command:
        terminal.out("UNDO  by hand: the diff above shows what was there before.")
        return
    terminal.command("UNDO  ", command)
    if others := changed - undone:
        stay = "stays" if others == 1 else "stay"
        text = f"{what} only; {counted(others, 'other change')} in the diff above {stay}"
        terminal.wrapped(text, "      ")


def _say_how_new_objects_go(terminal: Terminal, changes: Sequence[Change]) -> None:
    """Of an approver that was there and lacked them: whether its installation was interrupted, nothing tells."""
    made: dict[str, list[str]] = {}
    for each in (change.manifest for change in changes if change.is_new):
        kind = f"{each.resource.plural}.{each.resource.group}".rstrip(".")
        made.setdefault(each.namespace or NAMESPACE, []).append(f"{kind}/{each.name}")
    for number, (namespace, names) in enumerate(made.items()):
        words = ["kubectl", "delete", "--ignore-not-found", "-n", namespace, *names]
        terminal.command("      " if number else "UNDO  ", join(words))
    hint = terminal.hint(_REMOVE)
    text = f"it takes out what was made now; `{hint}` takes out all of the approver, if this completed its installation"
    terminal.wrapped(text, "      ")


def say_where_the_former_image_is_found(
    terminal: Terminal, changes: Sequence[Change], *, upgrade: bool
) -> None:
    """Of an upgrade that finds its image there: of what ran before only the ReplicaSets tell. Nothing of an install."""
    if not (upgrade and _was_installed(changes)):
        return
    before, after = _images(changes)
    if before == after:
        look = terminal.hint(f"kubectl -n {NAMESPACE} get replicasets -o wide")
        back = terminal.hint("kubevouch approver upgrade --image IMAGE")
        said = "Only an upgrade that changes the image says which one ran before"
        terminal.note(
            f"{said}; if one was interrupted: `{look}` lists former images, `{back}` brings one back."
        )


def _goes_with_a_removal(change: Change) -> bool:
    """Whether it was there, and a removal without --pins takes it out."""
    stays = change.manifest.holds in KEPT or change.manifest.resource.kind == NAMESPACES.kind
    return change.live is not None and not stays


def say_what_a_stop_leaves(
    terminal: Terminal, changes: Sequence[Change], going: int, pins: Former
) -> None:
    """What can be done about an install or an upgrade that stopped on its way.

    going: how many objects it was to delete at its end. pins: what was written of them by then.
    """
    goes_on = "It stopped on its way; the same command goes on with it"
    if not _was_installed(changes):
        undo = terminal.hint(_REMOVE)
        terminal.note(f"{goes_on}, and `{undo}` takes out what is there.")
        return
    terminal.note(f"{goes_on}.")
    # The same command may find the image there already, and cannot say it any more.
    say_how_it_is_undone(terminal, changes, going, pins)


def _command(changes: Sequence[Change]) -> tuple[str, str, int]:
    """The command that brings back what flags can say; what of the changes that is, in words; and how many it undoes."""
    deployment, configuration = (
        next((each for each in changes if _key(each) == key and each.differs), None)
        for key in (_OF_THE_DEPLOYMENT, _OF_THE_CONFIGURATION)
    )
    before, after = _images(changes)
    image_is_back = deployment is not None and before != after and names_an_image(before)
    image = before if image_is_back else after
    wish = _wish_before(configuration) if configuration is not None else None
    enforced, bindings = _enforcement(changes)
    undone = [
        ("the image", image_is_back),
        ("what becomes of new nodes", wish is not None),
        ("what the admission policies do", bool(bindings)),
    ]
    what = " and ".join(text for text, is_back in undone if is_back)
    if not what:
        return "", "", 0
    verb = ["upgrade"] if wish is None else ["install"]
    words = [*verb, "--image", image, *(["--no-pins", *wish.flags] if wish else [])]
    words += [enforced] if bindings else []
    count = image_is_back + (wish is not None) + bindings
    return join(["kubevouch", "approver", *words]), what, count


def _enforcement(changes: Sequence[Change]) -> tuple[str, int]:
    """The flag with which the admission policies do what they did before, and how many bindings it brings back."""
    turned = [
        each
        for each in changes
        if each.manifest.resource.kind == "ValidatingAdmissionPolicyBinding"
        and each.differs
        and each.live is not None
        and _denies(each.live) != _denies(each.after)
    ]
    denied = any(_denies(each.live or {}) for each in turned)
    return "--enforce" if denied else "--no-enforce", len(turned)


def _denies(binding: Mapping[str, Any]) -> bool:
    return "Deny" in binding.get("spec", {}).get("validationActions", ())


def _wish_before(configuration: Change) -> NewNodeWish | None:
    """What the configuration said of new nodes, if a command can say the same."""
    if configuration.live is None:
        return NewNodeWish(NewNodes.HOLD)  # without a configuration they are held
    return wish_in(str((configuration.live.get("data") or {}).get(CONFIGURATION_KEY, "")))


def _was_installed(changes: Sequence[Change]) -> bool:
    return any(_key(each) == _OF_THE_DEPLOYMENT and each.live is not None for each in changes)


def _images(changes: Sequence[Change]) -> tuple[str, str]:
    """The image before and after."""
    found = next(each for each in changes if _key(each) == _OF_THE_DEPLOYMENT)
    assert found.live is not None
    return _image(found.live), _image(found.after)


def _image(deployment: Mapping[str, Any]) -> str:
    return str(deployment["spec"]["template"]["spec"]["containers"][0]["image"])


def _key(change: Change) -> tuple[str, str]:
    return change.manifest.resource.kind, change.manifest.name
