"""A kubelet's own certificates among its node's files: its client certificate, and what it serves after its next start."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from typing import Final

from kubevouch.evidence.measured import Doubt, DoubtKind
from kubevouch.evidence.node_files import KUBELET_CONF, NodeFile, NodeFiles, kubelet_pki
from kubevouch.kubelet.errors import ConfigurationError
from kubevouch.kubelet.flags import CERT_DIR
from kubevouch.kubelet.pki import ServingMode, next_serving
from kubevouch.x509 import node_name_of, write_certificates
from kubevouch.x509.kinds import NODE_PREFIX

_CURRENT: Final = "kubelet-client-current.pem"


def kubelet_client_file(files: NodeFiles) -> NodeFile | None:
    """The file with the certificate by which the kubelet is known to the API server; None if the node has no such file.

    Its kubeconfig has it, or names it. Where there is no kubeconfig, what rotation has left is taken for it.
    """
    try:
        flags = files.flags
        conf, folder = flags.kubeconfig or KUBELET_CONF, flags.cert_dir
    except ConfigurationError:
        conf, folder = KUBELET_CONF, CERT_DIR
    kubeconfig = files.get(conf)
    if kubeconfig is None:
        return files.get(f"{folder}/{_CURRENT}")
    path = kubeconfig.named[0]
    if kubeconfig.fault or not path or files.has(path):
        return files.get(path) or kubeconfig
    if _has_pair(files):
        return NodeFile(kubeconfig.path, fault=f"it names {path}, which is not there")
    text = (
        f"{kubeconfig.path} names it, and no pair of a kubelet is there: a file system of its own?"
    )
    return NodeFile(path, doubt=Doubt(DoubtKind.NOT_ASKED, text))


def node_name_in(files: NodeFiles) -> str:
    """The node whose kubelet this is: by its client certificate, or by whom its kubeconfig says it is; "" if not known."""
    file = kubelet_client_file(files)
    if file and file.chain:
        return node_name_of(file.chain[0]) or ""
    kubeconfig = files.get(KUBELET_CONF)
    user = kubeconfig.user if kubeconfig else ""
    return user.removeprefix(NODE_PREFIX) if user.startswith(NODE_PREFIX) else ""


def kubelet_serving(files: NodeFiles, at: datetime) -> NodeFile | None:
    """The file from which the kubelet will serve after its next start, and what is wrong with it; None without such a file.

    A kubelet whose pair is not there makes one, or asks for one: its disk is not at fault.
    """
    try:
        flags = files.flags
        configured = files.configuration()
    except ConfigurationError as error:
        fault = f"the kubelet does not start: {error}"
        file = NodeFile(error.where, fault=fault, kubelet_starts=False)
        return file if _has_pair(files) else None
    if not _has_pair(files) and not files.has(flags.config):
        return None  # no kubelet here: a backup of /etc, say
    configuration = configured.configuration
    own = (configuration.tls_cert_file, configuration.tls_private_key_file)
    found = dict(_certificates(files, (*kubelet_pki(flags.cert_dir), *filter(None, own))))
    serving = next_serving(configuration, flags.cert_dir, found, at)
    if not serving.path:
        return (
            None
            if serving.mode is not ServingMode.FILES
            else NodeFile(flags.config, fault=serving.fault, kubelet_starts=serving.starts)
        )
    file = files.get(serving.path) or NodeFile(serving.path)
    return replace(file, fault=file.fault or serving.fault, kubelet_starts=serving.starts)


def _has_pair(files: NodeFiles) -> bool:
    try:
        folder = files.flags.cert_dir
    except ConfigurationError:
        folder = CERT_DIR
    return any(files.has(path) for path in kubelet_pki(folder))


def _certificates(files: NodeFiles, paths: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    """By path, in PEM. A link that leads nowhere is not there: a kubelet takes what comes next."""
    for path in dict.fromkeys(paths):
        file = files.get(path)
        if file is not None and not file.leads_nowhere:
            yield path, write_certificates(file.chain)
        elif file is None and path.endswith(".key") and not files.has_keys:
            yield path, b""
