"""Kubeconfigs as kubeadm and kubelets write them: YAML, keys in order, certificates within or by path."""

from base64 import b64encode

from kubevouch_lab.pki import KeyPair

CURRENT = "/var/lib/kubelet/pki/kubelet-client-current.pem"


def embedded(server: str, ca: bytes, user: str, pair: KeyPair) -> bytes:
    """admin.conf and its like (cmd/kubeadm/app/util/kubeconfig): the user's certificate and key are in it."""
    held = (
        f"    client-certificate-data: {_packed(pair.chain)}\n"
        f"    client-key-data: {_packed(pair.key)}\n"
    )
    return _kubeconfig(server, ca, user, held)


def of_kubelet(server: str, ca: bytes, node: str) -> bytes:
    """kubelet.conf of a control-plane node or a worker: both name the file that rotation keeps (kubeletfinalize.go)."""
    held = f"    client-certificate: {CURRENT}\n    client-key: {CURRENT}\n"
    user = f"system:node:{node}"
    return _kubeconfig(server, ca, user, held)


def of_bootstrapper(server: str, ca: bytes, token: str) -> bytes:
    """bootstrap-kubelet.conf, as `kubeadm join` writes it (cmd/kubeadm/app/cmd/join.go)."""
    return _kubeconfig(server, ca, "tls-bootstrap-token-user", f"    token: {token}\n")


def discovery(server: str, ca: bytes) -> str:
    """What the ConfigMap cluster-info holds for joiners: a cluster without a name, nobody's credentials."""
    return (
        "apiVersion: v1\nclusters:\n- cluster:\n"
        f'    certificate-authority-data: {_packed(ca)}\n    server: {server}\n  name: ""\n'
        'contexts: null\ncurrent-context: ""\nkind: Config\npreferences: {}\nusers: null\n'
    )


def _kubeconfig(server: str, ca: bytes, user: str, held: str) -> bytes:
    cluster, context = "kubernetes", f"{user}@kubernetes"
    return (
        "apiVersion: v1\nclusters:\n- cluster:\n"
        f"    certificate-authority-data: {_packed(ca)}\n    server: {server}\n  name: {cluster}\n"
        f"contexts:\n- context:\n    cluster: {cluster}\n    user: {user}\n  name: {context}\n"
        f"current-context: {context}\nkind: Config\npreferences: {{}}\n"
        f"users:\n- name: {user}\n  user:\n{held}"
    ).encode()


def _packed(pem: bytes) -> str:
    return b64encode(pem).decode()
