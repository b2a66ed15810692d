"""The files of a node that tell about its certificates: which are wanted, and what is kept of each.

A private key is never kept. Of a file that holds one, only the SHA-256 of its public half is.
"""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from kubevouch.evidence.certificates import CertificateUse
from kubevouch.evidence.measured import Doubt, DoubtKind
from kubevouch.kube.errors import KubeconfigError
from kubevouch.kube.kubeconfig import User, parse
from kubevouch.kubelet.configuration import read_configuration
from kubevouch.kubelet.effective import EffectiveConfiguration, effective
from kubevouch.kubelet.errors import ConfigurationError
from kubevouch.kubelet.flags import Flags, read_flags
from kubevouch.kubelet.pki import ROTATED
from kubevouch.node.tree_file import TreeFile
from kubevouch.x509 import Certificate, X509Error, read_pem

KUBERNETES: Final = "/etc/kubernetes"
PKI: Final = f"{KUBERNETES}/pki"
API_SERVER_MANIFEST: Final = f"{KUBERNETES}/manifests/kube-apiserver.yaml"
ETCD_MANIFEST: Final = f"{KUBERNETES}/manifests/etcd.yaml"
KUBELET_CONF: Final = f"{KUBERNETES}/kubelet.conf"

# kubeadm's certlist.go and renewal/manager.go: the path without .crt, and the authority.
AUTHORITIES: Final = {
    CertificateUse.CLUSTER_CA: f"{PKI}/ca",
    CertificateUse.ETCD_CA: f"{PKI}/etcd/ca",
    CertificateUse.FRONT_PROXY_CA: f"{PKI}/front-proxy-ca",
}
LEAVES: Final = {
    CertificateUse.API_SERVER: (f"{PKI}/apiserver", CertificateUse.CLUSTER_CA),
    CertificateUse.API_SERVER_KUBELET_CLIENT: (f"{PKI}/apiserver-kubelet-client", CertificateUse.CLUSTER_CA),
    CertificateUse.FRONT_PROXY_CLIENT: (f"{PKI}/front-proxy-client", CertificateUse.FRONT_PROXY_CA),
    CertificateUse.API_SERVER_ETCD_CLIENT: (f"{PKI}/apiserver-etcd-client", CertificateUse.ETCD_CA),
    CertificateUse.ETCD_SERVER: (f"{PKI}/etcd/server", CertificateUse.ETCD_CA),
    CertificateUse.ETCD_PEER: (f"{PKI}/etcd/peer", CertificateUse.ETCD_CA),
    CertificateUse.ETCD_HEALTHCHECK_CLIENT: (f"{PKI}/etcd/healthcheck-client", CertificateUse.ETCD_CA),
}  # fmt: skip
CONFS: Final = {
    use: f"{KUBERNETES}/{use}"
    for use in (
        CertificateUse.ADMIN_CONF,
        CertificateUse.SUPER_ADMIN_CONF,
        CertificateUse.CONTROLLER_MANAGER_CONF,
        CertificateUse.SCHEDULER_CONF,
    )
}

# What a kubelet is started with on a node of kubeadm's: its drop-in of the unit, then what these files add.
_STARTED = (
    "kubelet",
    f"--kubeconfig={KUBELET_CONF}",
    "--config=/var/lib/kubelet/config.yaml",
)
_ARGUMENTS: Final = {
    "/var/lib/kubelet/kubeadm-flags.env": "KUBELET_KUBEADM_ARGS",
    "/etc/default/kubelet": "KUBELET_EXTRA_ARGS",
    "/etc/sysconfig/kubelet": "KUBELET_EXTRA_ARGS",
}


class FileForm(StrEnum):
    """What is kept of a file."""

    PEM = "pem"
    """Its certificates, and the public halves of its keys."""
    KUBECONFIG = "kubeconfig"
    """The client certificate of the user in force."""
    TEXT = "text"
    """All of it: a configuration, in which no key stands."""
    PRESENCE = "presence"
    """That it is there."""


@dataclass(frozen=True, slots=True)
class NodeFile:
    """What is known of a file.

    keys: SHA-256 of the public half of each private key in it, "" for an encrypted one; None if keys were not looked at.
    named: the files that a kubeconfig names in place of data: certificate, key. user: in force by a kubeconfig. fault: why nothing of it can be used.
    doubt: why nobody can tell from here what is in it. leads_nowhere: it is a link to something that is not there.
    kubelet_starts: whether the kubelet starts with what it says.
    """

    path: str
    chain: tuple[Certificate, ...] = ()
    keys: tuple[str, ...] | None = ()
    text: bytes = field(default=b"", repr=False)
    named: tuple[str, str] = ("", "")
    user: str = ""
    fault: str = ""
    doubt: Doubt | None = None
    leads_nowhere: bool = False
    kubelet_starts: bool = True


@dataclass(frozen=True, slots=True)
class NodeFiles:
    """The files of one node by path: None for what is not there. What was not looked at is absent.

    argv: of the running kubelet; empty where none runs, so that it is what kubeadm's files say.
    """

    found: Mapping[str, NodeFile | None]
    argv: tuple[str, ...] = ()

    def get(self, path: str) -> NodeFile | None:
        """The file; None if it is not there."""
        return self.found.get(path)

    def has(self, path: str) -> bool:
        """Whether there is something, be it unreadable."""
        return self.get(path) is not None

    @property
    def has_keys(self) -> bool:
        """Whether keys are kept with these files at all: a backup may well be made without them."""
        return any(
            file is not None and (file.keys or file.keys is None or file.doubt is not None)
            for file in self.found.values()
        )

    @property
    def flags(self) -> Flags:
        """The flags of the kubelet. Raises ConfigurationError: no kubelet starts with them."""
        return read_flags(self.argv or (*_STARTED, *self._arguments()))

    def configuration(self) -> EffectiveConfiguration:
        """The kubelet's configuration. Raises ConfigurationError: no kubelet starts with it."""
        flags = self.flags
        file = self.get(flags.config)
        if file is None:
            return effective(None, (), flags)
        if file.fault:
            raise ConfigurationError(file.path, file.fault)
        return effective(read_configuration(file.text, file.path), (), flags)

    def _arguments(self) -> list[str]:
        """What the environment files of the unit add, as systemd splits it."""
        words: list[str] = []
        for path, name in _ARGUMENTS.items():
            file = self.get(path)
            lines = file.text.decode(errors="replace").splitlines() if file else []
            values = [line.partition("=")[2] for line in lines if line.startswith(f"{name}=")]
            try:
                # Once for the quotes of the assignment, once more for the command line.
                words += [word for value in values[-1:] for part in shlex.split(value) for word in shlex.split(part)]  # fmt: skip
            except ValueError as error:
                raise ConfigurationError(path, f"{name} cannot be split: {error}") from None
        return words


def wanted(files: NodeFiles) -> dict[str, FileForm]:
    """The files to be read, by what is known already: to be asked again until it names nothing new."""
    paths = [f"{base}.{end}" for base in AUTHORITIES.values() for end in ("crt", "key")]
    paths += [f"{base}.{end}" for base, _ in LEAVES.values() for end in ("crt", "key")]
    found = dict.fromkeys(paths, FileForm.PEM)
    found |= dict.fromkeys((API_SERVER_MANIFEST, ETCD_MANIFEST), FileForm.PRESENCE)
    found |= dict.fromkeys((*CONFS.values(), KUBELET_CONF), FileForm.KUBECONFIG)
    found |= dict.fromkeys(_ARGUMENTS, FileForm.TEXT)
    if not files.found:
        return found
    for file in files.found.values():
        found |= dict.fromkeys(filter(None, file.named if file else ()), FileForm.PEM)
    try:
        flags = files.flags
        if flags.kubeconfig:
            found[flags.kubeconfig] = FileForm.KUBECONFIG
        found |= dict.fromkeys(kubelet_pki(flags.cert_dir), FileForm.PEM)
        if flags.config and flags.config not in files.found:
            return found | {flags.config: FileForm.TEXT}
        configured = files.configuration().configuration
    except ConfigurationError:
        return found
    own = (configured.tls_cert_file, configured.tls_private_key_file)
    return found | dict.fromkeys(filter(None, own), FileForm.PEM)


def kubelet_pki(folder: str) -> tuple[str, ...]:
    """The files from which a kubelet takes its pairs."""
    names = (ROTATED, "kubelet-server.crt", "kubelet-server.key", "kubelet.crt", "kubelet.key", "kubelet-client-current.pem")  # fmt: skip
    return tuple(f"{folder}/{name}" for name in names)


def reduced(file: TreeFile, form: FileForm) -> NodeFile:
    """What is kept of a file that was read."""
    if file.is_denied:
        doubt = Doubt(DoubtKind.NOT_ALLOWED, f"{file.fault}; root may read it")
        return NodeFile(file.path, doubt=doubt)
    if file.fault:
        return NodeFile(file.path, fault=file.fault, leads_nowhere=file.leads_nowhere)
    match form:
        case FileForm.PEM:
            return _of_pem(file.path, file.data)
        case FileForm.KUBECONFIG:
            return of_kubeconfig(file.path, file.data)
        case FileForm.TEXT:
            return NodeFile(file.path, text=file.data)
    return NodeFile(file.path)


def _of_pem(path: str, data: bytes) -> NodeFile:
    try:
        bundle = read_pem(data, path)
    except X509Error as error:
        return NodeFile(path, fault=_fault(error, path))
    return NodeFile(path, bundle.certificates, tuple(key.spki_sha256 for key in bundle.keys))


def of_certificates(path: str, data: bytes, keys: tuple[str, ...] | None, begun: int) -> NodeFile:
    """From the whole certificates of a file, what was said of its keys, and how many certificates begin in it."""
    if not data:
        fault = "no whole certificate in it" if begun else ""
        return NodeFile(path, keys=keys, fault=fault)
    found = _of_pem(path, data)
    if not found.fault and len(found.chain) != begun:
        return NodeFile(
            path, fault=f"{begun} certificates begin in it, {len(found.chain)} are whole"
        )
    return replace(found, keys=keys)


def of_kubeconfig(path: str, data: bytes, keys: tuple[str, ...] | None = ()) -> NodeFile:
    """The client certificate of the user of the current context, as kubeadm looks for it (renewal/readwriter.go).

    keys: where the text has been freed of its keys, what was said of them.
    """
    try:
        name, user = _user(path, data)
        if not user.client_certificate_data:
            fault = "" if user.client_certificate else "no client certificate in it"
            named = (user.client_certificate, user.client_key)
            return NodeFile(path, named=named, user=name, fault=fault)
        chain = read_pem(user.client_certificate_data, path).certificates
        if user.client_key_data:
            keys = tuple(key.spki_sha256 for key in read_pem(user.client_key_data, path).keys)
    except (KubeconfigError, X509Error) as error:
        return NodeFile(path, fault=_fault(error, path))
    return NodeFile(path, chain, keys, named=("", user.client_key), user=name)


def _user(path: str, data: bytes) -> tuple[str, User]:
    """The user of the current context, with its name."""
    config = parse(data, path)
    if not config.current_context:
        raise KubeconfigError(path, "no current-context in it, so it is empty or cut off")
    context = config.contexts.get(config.current_context)
    if context is None:
        raise KubeconfigError(path, f'there is no context "{config.current_context}"')
    user = config.users.get(context.user)
    if user is None:
        raise KubeconfigError(path, f'there is no user "{context.user}"')
    return context.user, user


def _fault(error: KubeconfigError | X509Error, path: str) -> str:
    """The error without the path, which its row has already."""
    place = error.where.removeprefix(path).lstrip(":, ")
    text = f"{place}: {error.seen}" if place else error.seen
    return f"{text}; {error.expected}" if error.expected else text
