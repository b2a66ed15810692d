"""The file system of a node, as kubeadm and a kubelet leave it, in a folder of the test."""

import os
from base64 import b64encode
from pathlib import Path

from tests.support.authority import Authority, Pair

PKI = "etc/kubernetes/pki"
KUBELET = "var/lib/kubelet/pki"
_CONFIG = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n"
_CONF = """\
apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: {ca}
    server: https://10.0.0.1:6443
  name: kubernetes
contexts:
- context:
    cluster: kubernetes
    user: {user}
  name: {user}@kubernetes
current-context: {user}@kubernetes
kind: Config
users:
- name: {user}
  user:
    client-certificate{certificate}
    client-key{key}
"""


class NodeTree:
    """Writes a node below a folder. `ca`, `etcd_ca`, `front_proxy_ca` have signed what is in it."""

    def __init__(
        self,
        root: Path,
        name: str = "cp-1",
        ca: Authority | None = None,
        *,
        relative: bool = False,
    ) -> None:
        """relative: its links lead to where they should also for who sees the folder from outside."""
        self.root = root
        self._relative = relative
        self.name = name
        self.ca = ca or Authority("kubernetes")
        self.etcd_ca = Authority("etcd-ca")
        self.front_proxy_ca = Authority("front-proxy-ca")

    def write(self, path: str, data: bytes | str, mode: int = 0o644) -> Path:
        """A file, whose path is relative to the root."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        file.write_bytes(data.encode() if isinstance(data, str) else data)
        file.chmod(mode)
        return file

    def pair(self, base: str, pair: Pair) -> None:
        """A certificate and its key, by their path without the ending."""
        self.write(f"{base}.crt", pair.chain)
        self.write(f"{base}.key", pair.key, 0o600)

    def conf(self, name: str, pair: Pair, *, by_file: str = "") -> None:
        """A kubeconfig, with its pair in it or beside it."""
        if not by_file:
            certificate, key = (f"-data: {b64encode(each).decode()}" for each in (pair.chain, pair.key))  # fmt: skip
        else:
            certificate = key = f": {by_file}"
        text = _CONF.format(
            ca=b64encode(self.ca.pem).decode(), user="somebody", certificate=certificate, key=key
        )
        self.write(f"etc/kubernetes/{name}", text, 0o600)

    def authority(self, base: str, authority: Authority) -> None:
        """An authority with its key."""
        self.pair(f"{PKI}/{base}", Pair(authority.pem, authority.key))

    def control_plane(self) -> "NodeTree":
        """What kubeadm leaves on a control plane with a member of etcd."""
        for base, authority in (
            ("ca", self.ca),
            ("etcd/ca", self.etcd_ca),
            ("front-proxy-ca", self.front_proxy_ca),
        ):
            self.authority(base, authority)
        for base, authority in (
            ("apiserver", self.ca),
            ("apiserver-kubelet-client", self.ca),
            ("front-proxy-client", self.front_proxy_ca),
            ("apiserver-etcd-client", self.etcd_ca),
            ("etcd/server", self.etcd_ca),
            ("etcd/peer", self.etcd_ca),
            ("etcd/healthcheck-client", self.etcd_ca),
        ):
            self.pair(f"{PKI}/{base}", authority.serving(base.replace("/", "-")))
        for name in ("admin", "super-admin", "controller-manager", "scheduler"):
            self.conf(f"{name}.conf", self.ca.client(name))
        for name in ("kube-apiserver", "etcd"):
            self.write(f"etc/kubernetes/manifests/{name}.yaml", "kind: Pod\n", 0o600)
        return self.kubelet()

    def worker(self) -> "NodeTree":
        """What kubeadm leaves on a worker."""
        self.write(f"{PKI}/ca.crt", self.ca.pem)
        return self.kubelet()

    def kubelet(self) -> "NodeTree":
        """A kubelet that makes its own serving pair, and whose client certificate is rotated."""
        client = self.ca.client(f"system:node:{self.name}", "system:nodes")
        self.rotated("client", client)
        self.conf("kubelet.conf", client, by_file=f"/{KUBELET}/kubelet-client-current.pem")
        self.pair(f"{KUBELET}/kubelet", Authority("own").serving(self.name))
        self.write("var/lib/kubelet/config.yaml", _CONFIG)
        return self

    def rotated(self, side: str, pair: Pair) -> None:
        """A pair as a kubelet's certificate store keeps it: one dated file, and an absolute link to it."""
        dated = f"{KUBELET}/kubelet-{side}-2026-01-02-03-04-05.pem"
        self.write(dated, pair.chain + pair.key, 0o600)
        link = self.root / KUBELET / f"kubelet-{side}-current.pem"
        link.unlink(missing_ok=True)
        link.symlink_to(Path(dated).name if self._relative else f"/{dated}")

    def fifo(self, path: str) -> None:
        """A FIFO in place of a file. Whoever opens it to read waits for ever."""
        file = self.root / path
        file.unlink(missing_ok=True)
        os.mkfifo(file)
