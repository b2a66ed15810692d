"""A node's files that tell about its certificates, as certificate_files.sh on the node shows them: no key among them."""

import shlex
from typing import Annotated, Literal

import msgspec

from kubevouch.evidence.measured import Doubt, DoubtKind
from kubevouch.evidence.node_files import (
    AUTHORITIES,
    FileForm,
    NodeFile,
    NodeFiles,
    kubelet_pki,
    of_certificates,
    of_kubeconfig,
    reduced,
    wanted,
)
from kubevouch.evidence.survey import script_text
from kubevouch.node.script import Script
from kubevouch.node.tree_file import link_to_nothing
from kubevouch.x509.bundle import LARGEST_FILE

_KINDS = {"folder": "a folder, not a file", "fifo": "a FIFO, not a file", "other": "not a file"}
"""What the script has not opened, since it is not a file."""


class ShownFile(msgspec.Struct, frozen=True):
    """One file. Texts are sent in base64, which msgspec decodes. keys: None where there is no openssl to look at them."""

    path: bytes
    form: FileForm
    kind: Literal["absent", "denied", "file", "fifo", "folder", "other"]
    target: bytes
    size: int
    blocks: int
    """How many certificates begin in it; `content` has those that are whole."""
    odd: bool
    """A kubeconfig that is not written as kubeadm writes it: not all of it that matters is shown."""
    content: bytes
    keys: tuple[str, ...] | None


class ShownFiles(msgspec.Struct, frozen=True):
    """The output of certificate_files.sh. argv: the kubelet's command line, with a NUL after each argument."""

    argv: bytes
    files: Annotated[tuple[ShownFile, ...], msgspec.Meta(max_length=100)]


def certificate_files(proc: str = "/proc", below: str = "") -> Script[ShownFiles]:
    """The script, ready to be run. proc: where that machine shows its processes. below: what comes before each path."""
    forms = wanted(NodeFiles({}))
    # Of an authority's key nothing is looked at but that it is there.
    forms |= {f"{base}.key": FileForm.PRESENCE for base in AUTHORITIES.values()}
    fixed = "\n".join(f"{form} {path}" for path, form in forms.items())
    pairs = " ".join(path.removeprefix("/") for path in kubelet_pki(""))
    words = {"proc": proc, "below": below, "fixed": fixed, "pairs": pairs}
    text = "".join(f"{name}={shlex.quote(value)}\n" for name, value in words.items())
    fragments = ("identity.sh", "kubelet_process.sh", "certificate_files.sh")
    text += "".join(script_text(name) for name in fragments)
    return Script(name="certificate files", text=text, answer=ShownFiles)


def files_shown(shown: ShownFiles) -> NodeFiles:
    """What is known of the node's files. What the script should have shown and has not is a doubt."""
    argv = tuple(word.decode(errors="replace") for word in shown.argv.split(b"\0") if word)
    found = {each.path.decode(errors="replace"): _known(each) for each in shown.files}
    files = NodeFiles(found, argv)
    unseen = Doubt(DoubtKind.FAILED, "the script has not looked at it; `certs --root /` there does")
    more = {path: NodeFile(path, doubt=unseen) for path in wanted(files) if path not in found}
    return NodeFiles(more | found, argv)


def _known(shown: ShownFile) -> NodeFile | None:
    path = shown.path.decode(errors="replace")
    if shown.kind == "absent":
        target = shown.target.decode(errors="replace")
        return reduced(link_to_nothing(path, target), shown.form) if target else None
    fault, doubt = _fault(shown), _doubt(shown)
    if fault or doubt:
        return NodeFile(path, fault=fault, doubt=doubt)
    match shown.form:
        case FileForm.PEM:
            return of_certificates(path, shown.content, shown.keys, shown.blocks)
        case FileForm.KUBECONFIG:
            return of_kubeconfig(path, shown.content, shown.keys)
    return NodeFile(path, text=shown.content)


def _fault(shown: ShownFile) -> str:
    if shown.size > LARGEST_FILE:
        return f"{shown.size} bytes, and no more than {LARGEST_FILE} are read"
    return _KINDS.get(shown.kind, "")


def _doubt(shown: ShownFile) -> Doubt | None:
    if shown.kind == "denied":
        return Doubt(DoubtKind.NOT_ALLOWED, "permission denied")
    if shown.odd:
        text = "it is not written as kubeadm writes it; `certs --root /` there can read it"
        return Doubt(DoubtKind.FAILED, text)
    return None
