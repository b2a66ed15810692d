"""KV6xx: the control plane and the cluster's PKI."""

from kubevouch.diagnose.catalogue.codes import Code
from kubevouch.diagnose.catalogue.definition import CRITICAL, WARNING, FindingDefinition

DEFINITIONS = (
    FindingDefinition(
        code=Code.CLUSTER_CA_EXPIRING,
        name="ClusterCAExpiring",
        severity=WARNING,
        see="The cluster's CA ends within a year.",
        why="The signer cuts every certificate to the CA's own end, and signs nothing after it.",
        do="Plan the rotation of the CA (kubernetes.io: Manual Rotation of CA Certificates).",
        cause_rank=440,
        by_hand="Rotate the CA (kubernetes.io: Manual Rotation of CA Certificates).",
    ),
    FindingDefinition(
        code=Code.API_SERVER_REFUSES_KUBELETS,
        name="APIServerRefusesKubelets",
        severity=CRITICAL,
        see="`kubectl logs` and `kubectl exec` fail with `x509:` on the nodes that are named.",
        why="kube-apiserver has --kubelet-certificate-authority, and these kubelets serve a certificate that it does not trust.",
        do="kubevouch fix --plan plan.json",
        related=("CIS 1.2.5",),
        symptom_of=(Code.BOOTSTRAP_OFF, Code.NO_SERVING_CERTIFICATE),
        cause_rank=400,
        by_hand="Mend the certificates of the nodes that are named.",
    ),
)
