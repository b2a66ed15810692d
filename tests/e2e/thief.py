"""Somebody with a bootstrap token, who gets a second client certificate of a node's name with it."""

import base64
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from .cluster import Cluster, Node
from .hostile import ask, client_request
from .told import eventually

CLIENT = ("digital signature", "client auth")
TOKEN = """\
apiVersion: v1
kind: Secret
metadata: {name: bootstrap-token-th1ef0, namespace: kube-system}
type: bootstrap.kubernetes.io/token
stringData:
  token-id: th1ef0
  token-secret: 0123456789abcdef
  usage-bootstrap-authentication: "true"
  auth-extra-groups: system:bootstrappers:kubeadm:default-node-token
"""


@dataclass(frozen=True)
class Thief:
    """Somebody who has got a second client certificate of a node's name with a bootstrap token."""

    kubeconfig: Path

    @staticmethod
    def of(cluster: Cluster, node: Node, folder: Path) -> "Thief":
        cluster.kubectl("apply", "-f", "-", stdin=TOKEN)
        token = cluster.kubeconfig_with(folder, "joiner", "--token=th1ef0.0123456789abcdef")
        key = ec.generate_private_key(ec.SECP256R1())
        pem, signer = client_request(node.name, key), "kubernetes.io/kube-apiserver-client-kubelet"
        ask(cluster, "thief-client", pem, CLIENT, signer, kubeconfig=token)
        words = ("get", "csr", "thief-client", "-o", "jsonpath={.status.certificate}")
        issued = eventually(lambda: cluster.kubectl(*words).stdout, "the thief's certificate")
        pair = folder / "thief.pem"
        pair.write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            + base64.b64decode(issued)
        )
        files = (f"--client-certificate={pair}", f"--client-key={pair}", "--embed-certs=true")
        return Thief(cluster.kubeconfig_with(folder, "thief", *files))

    @staticmethod
    def gone(cluster: Cluster) -> None:
        """Takes away the token, and the CSR that it made."""
        cluster.kubectl("delete", "csr", "thief-client", "--ignore-not-found")
        words = ("delete", "secret", "-n", "kube-system", "bootstrap-token-th1ef0")
        cluster.kubectl(*words, "--ignore-not-found")
