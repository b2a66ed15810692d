"""How a removal is undone: the `approver install` that brings back what an install can, and in words what it cannot."""

import json
from collections.abc import Iterator, Mapping, Sequence
from shlex import join
from typing import Any, Final

from kubevouch.cli.approver.changes import MANAGER
from kubevouch.cli.approver.installation import (
    DECIDED_BY,
    DEPLOYMENT,
    NAMESPACE,
    Enforcement,
    Manifest,
    everything,
)
from kubevouch.cli.approver.new_nodes import NewNodes, NewNodeWish, wish_in
from kubevouch.cli.approver.present import Present
from kubevouch.cli.common.terminal import Terminal, one_line
from kubevouch.kube.images import names_an_image
from kubevouch.policy.sources.configuration import CONFIGURATION, CONFIGURATION_KEY

_CONFIGURATION: Final = f"ConfigMap {NAMESPACE}/{CONFIGURATION}"
_BY_HAND: Final = "kubevouch approver install --image NAME@sha256:DIGEST"


_TELLING: Final = {
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "Deployment",
    "Namespace",
}


def is_told_by(manifest: Manifest) -> bool:
    """Whether it says how the removal is undone. These go last, so that the same command, if it was interrupted, says it again."""
    return manifest.resource.kind in _TELLING or str(manifest) == _CONFIGURATION


def say_how_a_removal_is_undone(
    terminal: Terminal, before: Present, going: Sequence[Manifest], *, pins: bool
) -> None:
    """The command, and what it does not bring back. before: what was there. pins: whether they went, too."""
    if not before.is_installed:
        terminal.command("UNDO  ", _BY_HAND)
        told = "whoever deleted its Deployment was told with which image, and with what else"
        terminal.wrapped(told, "      ")
        return
    image = _image(before.live[f"Deployment {NAMESPACE}/{DEPLOYMENT}"])
    text, wish = _configuration(before)
    command = _BY_HAND
    if names_an_image(image):
        words = ["--image", image, *(wish or NewNodeWish(NewNodes.HOLD)).flags]
        words += ["--enforce"] if before.enforcement is Enforcement.DENY else []
        words += [*_who_may_decide(before)] + ([] if before.pinned else ["--no-pins"])
        command = join(["kubevouch", "approver", "install", *words])
    terminal.command("UNDO  ", command)
    for lost in _lost(before, image, going, pins=pins):
        terminal.wrapped(one_line(lost), "      ")
    if wish is None:
        what = f"no flag says what stood in {_CONFIGURATION}; before this it was:"
        terminal.wrapped(what, "      ")
        for line in text.splitlines():
            terminal.out(f"        {one_line(line)}")


def _configuration(before: Present) -> tuple[str, NewNodeWish | None]:
    """Its text, and what flags would write the same; None if none would. Without a configuration new nodes are held."""
    found = before.live.get(_CONFIGURATION)
    if found is None:
        return "", NewNodeWish(NewNodes.HOLD)
    text = str((found.get("data") or {}).get(CONFIGURATION_KEY, ""))
    return text, wish_in(text)


def _who_may_decide(before: Present) -> Iterator[str]:
    """The flags for whom the admission policy names besides those of the manifest."""
    own = next(each for each in everything() if each.name == DECIDED_BY and _is_policy(each))
    for variable in own.body["spec"]["variables"]:
        name, known = variable["name"], json.loads(variable["expression"])
        for each in before.may_decide(name) or ():
            if each not in known:
                yield from (f"--may-approve-{name[:-1]}", each)


def _is_policy(manifest: Manifest) -> bool:
    return manifest.resource.kind == "ValidatingAdmissionPolicy"


def _lost(before: Present, image: str, going: Sequence[Manifest], *, pins: bool) -> Iterator[str]:
    """What the command does not bring back, in words."""
    if _CONFIGURATION not in before.live:
        yield f"{_CONFIGURATION} had gone before this, and what it said of new nodes is not known"
    if not names_an_image(image):
        yield f"it ran {image}, which names no digest, and install wants one"
    if pins and before.pinned:
        yield "it pins what the Nodes claim then: what --allow and --csr gave to pins, and what was recorded, is gone"
    live = [before.live[str(each)] for each in going]
    others = sorted({name for each in live for name in _others_in(each)})
    if others:
        yield f"what others have set in these objects is gone: {', '.join(others[:5])}"


def _others_in(live: Mapping[str, Any]) -> Iterator[str]:
    """Who has set fields of an object of ours, as its managed fields tell, besides the status and notes in its metadata."""
    if live["kind"] == "ConfigMap" and live["metadata"]["name"] != CONFIGURATION:
        return  # the approver's own record
    for each in live["metadata"].get("managedFields") or ():
        manager = str(each.get("manager", ""))
        owned = (each.get("fieldsV1") or {}).keys() - {"f:metadata", "f:status"}
        if manager not in ("", MANAGER) and owned:
            yield f"{manager} in {live['kind']} {live['metadata']['name']}"


def _image(deployment: Mapping[str, Any]) -> str:
    return str(deployment["spec"]["template"]["spec"]["containers"][0]["image"])
