"""The files on a node that hold certificates: which to read, what to keep, and the script that reads them.

A private key is never kept, only the SHA-256 of its public key.
"""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Annotated, Final, Literal

import msgspec

from kubevouch.evidence.certificates import CertificateUse
from kubevouch.evidence.measured import Doubt, DoubtKind
from kubevouch.evidence.survey import script_text
from kubevouch.kube.errors import KubeconfigError
from kubevouch.kube.kubeconfig import User, parse
from kubevouch.node.script import Script
from kubevouch.node.tree_file import TreeFile, link_to_nothing
from kubevouch.x509 import Certificate, X509Error, node_name_of, read_pem
from kubevouch.x509.bundle import LARGEST_FILE
from kubevouch.x509.kinds import node_of_user

KUBERNETES: Final = "/etc/kubernetes"
PKI: Final = f"{KUBERNETES}/pki"
API_SERVER_MANIFEST: Final = f"{KUBERNETES}/manifests/kube-apiserver.yaml"
ETCD_MANIFEST: Final = f"{KUBERNETES}/manifests/etcd.yaml"
KUBELET_CONF: Final = f"{KUBERNETES}/kubelet.conf"

# kubeadm's certlist.go and renewal/manager.go: paths (CAs without .crt), and each leaf's signer.
AUTHORITIES: Final = {
    CertificateUse.CLUSTER_CA: f"{PKI}/ca",
    CertificateUse.ETCD_CA: f"{PKI}/etcd/ca",
    CertificateUse.FRONT_PROXY_CA: f"{PKI}/front-proxy-ca",
}
LEAVES: Final = {
    CertificateUse.API_SERVER: (f"{PKI}/apiserver.crt", CertificateUse.CLUSTER_CA),
    CertificateUse.API_SERVER_KUBELET_CLIENT: (f"{PKI}/apiserver-kubelet-client.crt", CertificateUse.CLUSTER_CA),
    CertificateUse.FRONT_PROXY_CLIENT: (f"{PKI}/front-proxy-client.crt", CertificateUse.FRONT_PROXY_CA),
    CertificateUse.API_SERVER_ETCD_CLIENT: (f"{PKI}/apiserver-etcd-client.crt", CertificateUse.ETCD_CA),
    CertificateUse.ETCD_SERVER: (f"{PKI}/etcd/server.crt", CertificateUse.ETCD_CA),
    CertificateUse.ETCD_PEER: (f"{PKI}/etcd/peer.crt", CertificateUse.ETCD_CA),
    CertificateUse.ETCD_HEALTHCHECK_CLIENT: (f"{PKI}/etcd/healthcheck-client.crt", CertificateUse.ETCD_CA),
}  # fmt: skip
CONFS: Final = {
    use: (f"{KUBERNETES}/{use}", CertificateUse.CLUSTER_CA)
    for use in (
        CertificateUse.ADMIN_CONF,
        CertificateUse.SUPER_ADMIN_CONF,
        CertificateUse.CONTROLLER_MANAGER_CONF,
        CertificateUse.SCHEDULER_CONF,
    )
}

_KUBELET_CONFIG: Final = "/var/lib/kubelet/config.yaml"
_KUBELET_CURRENT: Final = "/var/lib/kubelet/pki/kubelet-client-current.pem"
_KINDS: Final = {
    "folder": "a folder, not a file",
    "fifo": "a FIFO, not a file",
    "other": "not a file",
}
"""Why the script did not open a path, by the kind of file."""


class FileForm(StrEnum):
    """The parts of a file to keep."""

    PEM = "pem"
    """The certificates, and the SHA-256 of each private key's public key."""
    KUBECONFIG = "kubeconfig"
    """The current user's client certificate."""
    PRESENCE = "presence"
    """Only whether the file exists."""


@dataclass(frozen=True, slots=True)
class NodeFile:
    """The parts of a file that we keep.

    keys: SHA-256 of the public key of each private key, "" for an encrypted key; None if keys were
    not read. named: the certificate and key files that a kubeconfig names instead of embedding them.
    user: a kubeconfig's current user. fault: why the file is unusable. doubt: why its contents are
    unknown.
    """

    path: str
    chain: tuple[Certificate, ...] = ()
    keys: tuple[str, ...] | None = ()
    named: tuple[str, str] = ("", "")
    user: str = ""
    fault: str = ""
    doubt: Doubt | None = None


@dataclass(frozen=True, slots=True)
class NodeFiles:
    """The files of one node by path; None for a file that does not exist. Unchecked paths are not in the mapping."""

    found: Mapping[str, NodeFile | None]

    def get(self, path: str) -> NodeFile | None:
        """The file; None if it does not exist."""
        return self.found.get(path)

    def has(self, path: str) -> bool:
        """Whether the path exists, even if unreadable."""
        return self.get(path) is not None

    @property
    def has_keys(self) -> bool:
        """Whether any file has, or may have, a private key. A backup may omit all keys."""
        return any(
            file is not None and (file.keys or file.keys is None or file.doubt is not None)
            for file in self.found.values()
        )


def wanted(files: NodeFiles) -> dict[str, FileForm]:
    """The files to read: those of kubeadm and the kubelet, and those that the kubeconfigs in `files` name."""
    paths = [f"{base}.{end}" for base in AUTHORITIES.values() for end in ("crt", "key")]
    paths += [f"{path[:-3]}{end}" for path, _ in LEAVES.values() for end in ("crt", "key")]
    paths += [name for file in files.found.values() if file for name in file.named if name]
    found = dict.fromkeys((*paths, _KUBELET_CURRENT), FileForm.PEM)
    seen = (API_SERVER_MANIFEST, ETCD_MANIFEST, _KUBELET_CONFIG)
    found |= dict.fromkeys(seen, FileForm.PRESENCE)
    return found | dict.fromkeys(
        (*(path for path, _ in CONFS.values()), KUBELET_CONF), FileForm.KUBECONFIG
    )


def kubelet_client_file(files: NodeFiles) -> NodeFile | None:
    """The file with the kubelet's client certificate; None if the node has no such file.

    The kubeconfig holds the certificate or names its file. Without a kubeconfig, this is
    kubelet-client-current.pem, which the kubelet's rotation writes.
    """
    kubeconfig = files.get(KUBELET_CONF)
    if kubeconfig is None:
        return files.get(_KUBELET_CURRENT)
    path = kubeconfig.named[0]
    if kubeconfig.fault or not path or files.has(path):
        return files.get(path) or kubeconfig
    if files.has(_KUBELET_CONFIG):
        return NodeFile(kubeconfig.path, fault=f"it refers to {path}, which does not exist")
    text = f"{kubeconfig.path} refers to this file, which may be on another file system"
    return NodeFile(path, doubt=Doubt(DoubtKind.NOT_ASKED, text))


def node_name_in(files: NodeFiles) -> str:
    """The node's name, from the kubelet's client certificate or else its kubeconfig's user; "" if unknown."""
    file = kubelet_client_file(files)
    if file and file.chain:
        return node_name_of(file.chain[0]) or ""
    kubeconfig = files.get(KUBELET_CONF)
    return (kubeconfig and node_of_user(kubeconfig.user)) or ""


def reduced(file: TreeFile, form: FileForm) -> NodeFile:
    """Reduces a file to the parts that `form` selects."""
    if file.is_denied:
        doubt = Doubt(DoubtKind.NOT_ALLOWED, f"{file.fault}; try as root")
        return NodeFile(file.path, doubt=doubt)
    if file.fault:
        return NodeFile(file.path, fault=file.fault)
    match form:
        case FileForm.PEM:
            return _of_pem(file.path, file.data)
        case FileForm.KUBECONFIG:
            return _of_kubeconfig(file.path, file.data)
    return NodeFile(file.path)


def _of_pem(path: str, data: bytes) -> NodeFile:
    try:
        bundle = read_pem(data, path)
    except X509Error as error:
        return NodeFile(path, fault=_fault(error, path))
    return NodeFile(path, bundle.certificates, bundle.keys)


def _of_certificates(path: str, data: bytes, keys: tuple[str, ...] | None, begun: int) -> NodeFile:
    """Parses the certificates of a file in the script's output, and reports incomplete ones.

    data: the complete certificates. begun: the number of BEGIN lines in the file.
    """
    if not data:
        fault = "the file has no complete certificate" if begun else ""
        return NodeFile(path, keys=keys, fault=fault)
    found = _of_pem(path, data)
    if not found.fault and len(found.chain) != begun:
        return NodeFile(path, fault=f"only {len(found.chain)} of {begun} certificates are complete")
    return replace(found, keys=keys)


def _of_kubeconfig(path: str, data: bytes, keys: tuple[str, ...] | None = ()) -> NodeFile:
    """The client certificate of the current context's user, as kubeadm finds it (renewal/readwriter.go).

    keys: as in NodeFile, for private keys that `data` no longer contains.
    """
    try:
        name, user = _user(path, data)
        if not user.client_certificate_data:
            fault = "" if user.client_certificate else "the file has no client certificate"
            named = (user.client_certificate, user.client_key)
            return NodeFile(path, named=named, user=name, fault=fault)
        chain = read_pem(user.client_certificate_data, path).certificates
        if user.client_key_data:
            keys = read_pem(user.client_key_data, path).keys
    except (KubeconfigError, X509Error) as error:
        return NodeFile(path, fault=_fault(error, path))
    return NodeFile(path, chain, keys, named=("", user.client_key), user=name)


def _user(path: str, data: bytes) -> tuple[str, User]:
    """The name and entry of the current context's user."""
    config = parse(data, path)
    if not config.current_context:
        raise KubeconfigError(path, "no current-context, so the file is empty or truncated")
    context = config.contexts.get(config.current_context)
    if context is None:
        raise KubeconfigError(path, f'the file has no context "{config.current_context}"')
    user = config.users.get(context.user)
    if user is None:
        raise KubeconfigError(path, f'the file has no user "{context.user}"')
    return context.user, user


def _fault(error: KubeconfigError | X509Error, path: str) -> str:
    """The error's text without the path. Reports print the path before the text."""
    place = error.where.removeprefix(path).lstrip(":, ")
    text = f"{place}: {error.seen}" if place else error.seen
    return f"{text}; {error.expected}" if error.expected else text


class ShownFile(msgspec.Struct, frozen=True):
    """One file in the output of certificate_files.sh, with the `bytes` fields in base64.

    keys: as in NodeFile; None if the script did not read them, as on a node without openssl.
    """

    path: bytes
    form: FileForm
    kind: Literal["absent", "denied", "file", "fifo", "folder", "other"]
    target: bytes
    size: int
    blocks: int
    """The number of BEGIN lines in the file. `content` has only the complete certificates."""
    odd: bool
    """Whether a kubeconfig is not in kubeadm's format, so that `content` may be incomplete."""
    content: bytes
    keys: tuple[str, ...] | None


class ShownFiles(msgspec.Struct, frozen=True):
    """The output of certificate_files.sh."""

    files: Annotated[tuple[ShownFile, ...], msgspec.Meta(max_length=100)]


def certificate_files(proc: str = "/proc", below: str = "") -> Script[ShownFiles]:
    """The script that outputs the certificates in a node's files, and hashes of public keys.

    proc: the machine's /proc. below: a prefix for each path that the script reads; empty on a node.
    """
    forms = wanted(NodeFiles({}))
    # For a CA's key, only its existence matters.
    forms |= {f"{base}.key": FileForm.PRESENCE for base in AUTHORITIES.values()}
    fixed = "\n".join(f"{form} {path}" for path, form in forms.items())
    words = {"proc": proc, "below": below, "fixed": fixed, "kubeconfig": KUBELET_CONF}
    text = "".join(f"{name}={shlex.quote(value)}\n" for name, value in words.items())
    fragments = ("identity.sh", "kubelet_process.sh", "certificate_files.sh")
    text += "".join(script_text(name) for name in fragments)
    return Script(name="certificate files", text=text, answer=ShownFiles)


def files_shown(shown: ShownFiles) -> NodeFiles:
    """The files in the output of certificate_files.sh.

    A wanted file that is not in the output gets a doubt.
    """
    found = {each.path.decode(errors="replace"): _known(each) for each in shown.files}
    unseen = Doubt(
        DoubtKind.FAILED, "the script did not read the file; run `certs --root /` on the node"
    )
    more = {
        path: NodeFile(path, doubt=unseen) for path in wanted(NodeFiles(found)) if path not in found
    }
    return NodeFiles(more | found)


def _known(shown: ShownFile) -> NodeFile | None:
    path = shown.path.decode(errors="replace")
    if shown.kind == "absent":
        target = shown.target.decode(errors="replace")
        return reduced(link_to_nothing(path, target), shown.form) if target else None
    fault, doubt = _why_unused(shown), _why_unknown(shown)
    if fault or doubt:
        return NodeFile(path, fault=fault, doubt=doubt)
    match shown.form:
        case FileForm.PEM:
            return _of_certificates(path, shown.content, shown.keys, shown.blocks)
        case FileForm.KUBECONFIG:
            return _of_kubeconfig(path, shown.content, shown.keys)
    return NodeFile(path)


def _why_unused(shown: ShownFile) -> str:
    if shown.size > LARGEST_FILE:
        return f"{shown.size} bytes, over the limit of {LARGEST_FILE}"
    return _KINDS.get(shown.kind, "")


def _why_unknown(shown: ShownFile) -> Doubt | None:
    if shown.kind == "denied":
        return Doubt(DoubtKind.NOT_ALLOWED, "permission denied")
    if shown.odd:
        text = "the file is not in kubeadm's format; run `certs --root /` on the node"
        return Doubt(DoubtKind.FAILED, text)
    return None
