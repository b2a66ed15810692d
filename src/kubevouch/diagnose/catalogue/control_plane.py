"""KV6xx: the control plane and the cluster's PKI."""

from kubevouch.diagnose.catalogue.codes import Code
from kubevouch.diagnose.catalogue.definition import (
    CRITICAL,
    ERROR,
    KUBELET_LOG,
    WARNING,
    FindingDefinition,
)

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
        see="The cluster's CA, or the front proxy's, ends within a year.",
        why="The signer cuts every certificate to the CA's own end, and signs nothing after it. Below an ended CA nothing is "
        "trusted any more.",
        do="Plan the rotation of the CA (kubernetes.io: Manual Rotation of CA Certificates).",
        cause_rank=440,
        by_hand="Rotate the CA (kubernetes.io: Manual Rotation of CA Certificates).",
    ),
    FindingDefinition(
        code=Code.CONTROL_PLANE_CERTIFICATE_ENDS,
        name="ControlPlaneCertificateEnds",
        severity=WARNING,
        see="Nothing yet. Once it ends: `x509: certificate has expired` from kubectl and every kubelet (apiserver), or the API "
        "server does not start (etcd).",
        why="More than 92 % of the life of a certificate that kubeadm made is used, as the API server or etcd serves it. kubeadm "
        "renews only when somebody runs `kubeadm upgrade` or `kubeadm certs renew`; and a program serves its old certificate "
        "until it is started again, whatever `kubeadm certs check-expiration` says of the file. Critical: more than 98 %, "
        "which of a year is the last week.",
        do="On the node: `kubeadm certs renew apiserver` (or etcd-server, etcd-peer; `all`, if others end as well), then start "
        "the static pod again: move its manifest out of /etc/kubernetes/manifests, wait until it is gone, and put it back.",
        cause_rank=428,
        cause="{title}.",
        next=("ssh", "{subject}", "sudo kubeadm certs renew {name}"),
        by_hand="Then start its static pod on {subject} again: move the manifest out of /etc/kubernetes/manifests, wait until "
        "the pod is gone, and put it back.",
    ),
    FindingDefinition(
        code=Code.API_SERVER_REFUSES_KUBELETS,
        name="APIServerRefusesKubelets",
        severity=CRITICAL,
        see="`kubectl logs` and `kubectl exec` fail with `x509:` on the nodes that are named.",
        why="kube-apiserver has --kubelet-certificate-authority, and these kubelets serve a certificate that it does not trust.",
        do="kubevouch plan -o plan.json",
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
    FindingDefinition(
        code=Code.KUBELET_CLIENT_CERTIFICATE_ENDS,
        name="KubeletClientCertificateEnds",
        severity=ERROR,
        see="Nothing yet. Once it ends, the node is NotReady, its kubelet does not start any more, and `kubeadm certs "
        "check-expiration` never named it.",
        why="More than 92 % of the life of the newest client certificate that was issued to the kubelet is used. It should have "
        "asked for the next one at 70 to 90 %. The API server keeps the CSR by which this shows for an hour only: of the "
        "others, the file on the node tells (`kubevouch certs --via ssh`).",
        do="`journalctl -u kubelet` on the node says why it does not ask, or what it is answered. Before the end a restart of "
        "the kubelet makes it ask again; after it, see KV606.",
        symptom_of=(Code.KUBELET_CLIENT_CSR_STUCK,),
        cause_rank=426,
        cause="{title}{where}.",
        next=KUBELET_LOG,
        by_hand="Have the kubelet of {subjects} ask for its next client certificate: restart it.",
    ),
    FindingDefinition(
        code=Code.KUBELET_CLIENT_CSR_STUCK,
        name="KubeletClientCSRStuck",
        severity=ERROR,
        see="`kubectl get csr` shows a CSR of the signer kubernetes.io/kube-apiserver-client-kubelet, sent by the node itself, "
        "that is Pending, Denied or Failed.",
        why="A kubelet asks for its next client certificate when 70 to 90 % of this one's life is over. kube-controller-manager "
        "approves that by itself where system:nodes may create certificatesigningrequests/selfnodeclient, and signs it. "
        "While nobody does, the certificate goes towards its end; then the kubelet is refused and ends itself.",
        do="`kubectl describe csr NAME`. If it is the node's own and pending: `kubectl certificate approve NAME`, and for the "
        "next ones `kubectl create clusterrolebinding kubeadm:node-autoapprove-certificate-rotation --group=system:nodes "
        "--clusterrole=system:certificates.k8s.io:certificatesigningrequests:selfnodeclient`.",
        cause_rank=425,
        cause="{title}{where}.",
        next=("kubectl", "describe", "csr", "{csr}"),
        by_hand="Make kube-controller-manager approve and sign it, as `kubevouch explain KV608` says, before the old "
        "certificate ends.",
    ),
    FindingDefinition(
        code=Code.CALLED_SERVER_NOT_TRUSTED,
        name="CalledServerNotTrusted",
        severity=ERROR,
        see="`failed calling webhook` with `x509:`; or an APIService that is not available, with which no namespace can be "
        "deleted any more.",
        why="The API server verifies what it calls (aggregated APIs, webhooks, conversions) by the caBundle of that object. "
        "The bundle has ended, cannot be read, or does not verify the certificate that the pods behind it serve.",
        do="Put the authority of the certificate that is served into the caBundle (cert-manager's cainjector does that by an "
        "annotation), or have the server present a certificate of the authority that stands there. `kubevouch certs` "
        "shows both.",
        cause_rank=415,
        cause="{title}.",
        next=("kubectl", "get", "{kind}", "{name}", "-o", "yaml"),
        by_hand="Make the caBundle of {subject} and the certificate that is served there agree.",
    ),
)
