"""KV6xx: the control plane and the cluster's PKI."""

from kubevouch.diagnose.catalogue.codes import Code
from kubevouch.diagnose.catalogue.definition import CRITICAL, ERROR, WARNING, FindingDefinition

DEFINITIONS = (
    FindingDefinition(
        code=Code.CLOCK_SKEW,
        name="ClockSkew",
        severity=ERROR,
        see="Certificates are `not yet valid` or expire too early; tokens of pods on the node are refused.",
        why="The node's clock differs from the API server's: its kubelet dates its Lease by the one, and the API server "
        "notes by the other when it was written.",
        do="Set the node's clock right and keep it so (chrony, systemd-timesyncd): `timedatectl`, `chronyc tracking`.",
        cause_rank=105,
        cause="{title}.",
        next=("ssh", "{subject}", "timedatectl"),
        by_hand="Set the clock of {subject} right, and have a time service keep it so.",
    ),
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
        by_hand="Fix the certificates of the nodes that are named.",
    ),
    FindingDefinition(
        code=Code.NO_KUBELET_REPORTS,
        name="NoKubeletReports",
        severity=CRITICAL,
        see="`kubectl get nodes` shows every node NotReady, with the status Unknown; ports 10250 refuse connections.",
        why="No kubelet reaches the API server any more. Where no network has failed, their client certificates have expired "
        "(a year without a restart or a rotation): such a kubelet ends itself and cannot even ask for a new one.",
        do="On a control-plane node `kubeadm token create`. On every node: write /etc/kubernetes/bootstrap-kubelet.conf with "
        "that token (as `kubeadm join` does), remove /var/lib/kubelet/pki/kubelet-client*, restart the kubelet.",
        cause_rank=5,
        cause="{title}: {subjects}. Nothing else can be checked or fixed before they run again.",
        next=(
            "ssh",
            "{subject}",
            "sudo openssl x509 -noout -enddate -in /var/lib/kubelet/pki/kubelet-client-current.pem",
        ),
        by_hand="If that date has passed, give each node a new bootstrap kubeconfig (`kubevouch explain KV606`); else mend "
        "what keeps the kubelets from running.",
    ),
)
