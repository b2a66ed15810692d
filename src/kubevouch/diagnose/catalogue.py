"""Every code that a finding can have: stable for ever, never used twice.

Ranges: 1 metrics API and metrics-server, 2 reaching kubelets, 3 the certificate on the wire, 4 requests and
approvers, 5 the kubelet's configuration, 6 control plane and PKI, 9 what could not be told. Numbers that are
not here are kept for findings that later versions make. `explain` prints an entry; docs/findings/ is made from it.
"""

import msgspec

from kubevouch.diagnose.finding import Severity

CRITICAL, ERROR, WARNING, INFO = Severity


class Entry(msgspec.Struct, frozen=True):
    """What there is to know of a code, on any cluster."""

    code: str
    name: str
    severity: Severity
    see: str
    """What an operator has in front of them."""

    why: str
    """The cause, in one sentence or two."""

    do: str
    """What mends it: a command where there is one."""

    related: tuple[str, ...] = ()
    """Other people's numbers for it (CIS Kubernetes Benchmark), and upstream issues."""


_ENTRIES = (
    Entry(
        "KV101",
        "MetricsAPIMissing",
        ERROR,
        "`kubectl top nodes` says `error: Metrics API not available`, and no APIService "
        "v1beta1.metrics.k8s.io exists.",
        "Nothing on this cluster serves the metrics API: metrics-server is not installed, or its APIService was deleted.",
        "Install metrics-server without --kubelet-insecure-tls, then run `kubevouch doctor` again.",
    ),
    Entry(
        "KV102",
        "APIServiceWiring",
        ERROR,
        "The APIService is not available: ServiceNotFound, ServicePortError, EndpointsNotFound or MissingEndpoints, "
        "although the pods are not the reason.",
        "The APIService names a Service that is not there or does not listen, or the Service's selector matches no pod.",
        "Compare `kubectl get apiservice v1beta1.metrics.k8s.io -o yaml` with the Service and the labels of the pods.",
    ),
    Entry(
        "KV103",
        "NoReadyMetricsServer",
        ERROR,
        "metrics-server shows READY 0/1, the APIService says MissingEndpoints, `kubectl top` says "
        "`Metrics API not available`.",
        "A metrics-server is ready only once it has metrics of some node and some pod; with every kubelet refused it "
        "never is. This is a symptom: the finding it points to is the cause.",
        "Follow the cause.",
    ),
    Entry(
        "KV104",
        "APIServiceUnreachable",
        ERROR,
        "The APIService says FailedDiscoveryCheck.",
        "The API server cannot reach metrics-server's pods, or they answer it with an error: a network rule, a proxy "
        "setting, or a CA that does not match.",
        "Read the condition's message; allow the control plane to reach the pods on metrics-server's port.",
    ),
    Entry(
        "KV108",
        "MetricsServerPodBroken",
        ERROR,
        "metrics-server's pods are not running: Pending, ImagePullBackOff, CrashLoopBackOff.",
        "An ordinary fault of a workload; certificates come later.",
        "`kubectl describe pod` and its events say why.",
    ),
    Entry(
        "KV109",
        "InsecureTLSWorkaround",
        WARNING,
        "metrics-server runs with --kubelet-insecure-tls.",
        "Verification is off: whoever answers at a node's address can feed the autoscaler any number, and gets "
        "metrics-server's token.",
        "Mend the kubelets' certificates first (`kubevouch fix --plan`), then remove the flag.",
    ),
    Entry(
        "KV110",
        "AddressTypeMismatch",
        ERROR,
        "`x509: certificate is valid for A, not B`, or `no such host`, although the certificate is good for another of "
        "the node's addresses.",
        "metrics-server's --kubelet-preferred-address-types picks an address that the certificates do not have.",
        "Set --kubelet-preferred-address-types to the order that this finding names.",
    ),
    Entry(
        "KV112",
        "PartialMetrics",
        ERROR,
        "`kubectl top nodes` shows `<unknown>` for some nodes, or leaves them out, while metrics-server is Ready.",
        "One node's metrics are enough for metrics-server to be Ready; those that it cannot read are simply missing.",
        "Follow the cause of each node that is named.",
    ),
    Entry(
        "KV113",
        "StaleMetrics",
        ERROR,
        "A node's metrics in the API are minutes old.",
        "metrics-server has stopped getting samples from that kubelet and serves the last it had.",
        "Look at metrics-server's log for that node.",
    ),
    Entry(
        "KV201",
        "KubeletUnreachable",
        ERROR,
        "`connect: connection refused`, `i/o timeout` or `no route to host` on port 10250.",
        "The kubelet is down, or something between here and it drops the packets.",
        "`systemctl status kubelet` on the node; then firewalls and routes between metrics-server and the node.",
    ),
    Entry(
        "KV202",
        "KubeletDoesNotAnswer",
        ERROR,
        "Port 10250 accepts the connection and then nothing comes, or not TLS.",
        "The kubelet hangs, or something else listens on its port.",
        "`systemctl status kubelet` and `ss -ltnp 'sport = :10250'` on the node.",
    ),
    Entry(
        "KV301",
        "SelfSigned",
        ERROR,
        "`x509: certificate signed by unknown authority`; the issuer is `<host>-ca@<number>`.",
        "The kubelet made its certificate itself, since serverTLSBootstrap is off. Nobody vouches for it.",
        "kubevouch fix --plan plan.json",
        ("CIS 4.2.9, 4.2.11 (neither tests this)", "kubernetes#99418"),
    ),
    Entry(
        "KV302",
        "NoIPSANs",
        ERROR,
        "`x509: cannot validate certificate for 10.0.0.5 because it doesn't contain any IP SANs`.",
        "A self-signed kubelet certificate holds the host name only, and metrics-server dials the address. Behind this "
        "the certificate is signed by nobody, too.",
        "kubevouch fix --plan plan.json",
        ("CIS 4.2.9, 4.2.11 (neither tests this)",),
    ),
    Entry(
        "KV303",
        "SANMismatch",
        ERROR,
        "`x509: certificate is valid for A, B, not C`.",
        "The certificate lacks the address that is dialled: the node's address has changed, or it was made by hand.",
        "The kubelet asks for a new one by itself when its addresses grow; approve it: `kubevouch csr list`.",
    ),
    Entry(
        "KV304",
        "Expired",
        CRITICAL,
        "`x509: certificate has expired or is not yet valid: current time ... is after ...`.",
        "A self-signed kubelet certificate lives a year and is never renewed; `kubeadm certs` does not look at it.",
        "kubevouch fix --plan plan.json",
        ("kubernetes#99418",),
    ),
    Entry(
        "KV305",
        "RotationOverdue",
        WARNING,
        "More than 92 % of the certificate's life is used.",
        "The kubelet asks for a new one at 70 to 90 %: it is asking, and gets none.",
        "`kubevouch csr list` shows what it asks for and what holds it.",
    ),
    Entry(
        "KV306",
        "NotYetValid",
        ERROR,
        "`x509: certificate has expired or is not yet valid: current time ... is before ...`.",
        "A clock is wrong: this machine's, the signer's, or the node's that made its own certificate.",
        "Compare the clocks (`timedatectl`, `chronyc tracking`).",
    ),
    Entry(
        "KV307",
        "NoServingCertificate",
        CRITICAL,
        "`remote error: tls: internal error`: for scrapes, `kubectl logs` and `kubectl exec`.",
        "serverTLSBootstrap is on and the kubelet has no valid certificate: its request is pending, denied or failed, "
        "or the last certificate has expired.",
        "kubevouch fix --plan plan.json, which approves each node's newest request after checking it.",
        ("kubeadm#591",),
    ),
    Entry(
        "KV308",
        "SignedByOtherCA",
        ERROR,
        "`x509: certificate signed by unknown authority`, and the issuer is a CA, not the kubelet itself.",
        "The CA was made anew, the node came from another cluster, or somebody else's CA signed it.",
        "Have the kubelet ask again: with serverTLSBootstrap on, remove kubelet-server-current.pem and restart it.",
    ),
    Entry(
        "KV309",
        "CNNotNodeName",
        WARNING,
        "The certificate verifies, and its CN is not `system:node:<name>`.",
        "It was made by hand. Scrapers that check whom they talk to, and the API server after KEP-4872, will refuse it.",
        "kubevouch fix --plan plan.json",
        ("KEP-4872",),
    ),
    Entry(
        "KV311",
        "OtherVerificationFailure",
        ERROR,
        "The kubelet's certificate does not verify, for a reason without a code of its own.",
        "The text of the finding is what Go, and so metrics-server, says of it.",
        "`kubevouch probe NODE` shows the certificate.",
    ),
    Entry(
        "KV401",
        "PendingNoApprover",
        ERROR,
        "`kubectl get csr` shows kubernetes.io/kubelet-serving requests Pending.",
        "Kubernetes itself never approves serving certificates, and nothing on this cluster does.",
        "kubevouch fix --plan plan.json, or for one request: `kubevouch csr explain NAME`.",
        ("kubernetes#73356",),
    ),
    Entry(
        "KV402",
        "ApproverHolds",
        ERROR,
        "A kubelet-serving request is Pending for minutes although an approver runs.",
        "The approver is down, lacks the `approve` permission on the signer, or holds or refuses this request.",
        "Read the approver's log; `kubevouch csr explain NAME` tells what our policy would say.",
    ),
    Entry(
        "KV403",
        "DeniedLoop",
        CRITICAL,
        "A node's kubelet-serving requests are Denied, again and again.",
        "A denied kubelet asks again every 32 seconds, for ever. Some approver's rule refuses this node.",
        "`kubevouch csr explain NAME` shows the request rule by rule; mend the approver's rule.",
    ),
    Entry(
        "KV404",
        "ApprovedNotIssued",
        ERROR,
        "A kubelet-serving request is Approved and not Issued.",
        "Nobody signs: the controller-manager is down, or has no CA key, or a managed platform does not sign these.",
        "Look at kube-controller-manager: its --cluster-signing-* flags and its log.",
    ),
    Entry(
        "KV405",
        "SignerRejected",
        ERROR,
        "A kubelet-serving request is Failed: SignerValidationFailure.",
        "The request breaks the signer's own rules (organization, usages, kinds of names).",
        "The condition's message names the field.",
    ),
    Entry(
        "KV406",
        "RequestNeverMade",
        ERROR,
        "The kubelet has no serving certificate, and there is no request of its.",
        "It has no IP address in its Node status, cannot reach the API server, or its client certificate has expired.",
        "`journalctl -u kubelet` on the node; `kubectl get node NAME -o yaml` for its addresses.",
        ("kubernetes#130001",),
    ),
    Entry(
        "KV407",
        "SupersededRequest",
        INFO,
        "A pending request, older than a newer one of the same node.",
        "The kubelet has dropped that key: approving it would give a certificate that nobody can use.",
        "Leave it; it is cleaned up after 24 hours.",
    ),
    Entry(
        "KV411",
        "RotationWillStall",
        WARNING,
        "All is well, for now.",
        "serverTLSBootstrap is on and no approver runs. Kubelets ask for their next certificate at 70 to 90 % of the "
        "life of this one; nobody will approve it, and at NotAfter the port goes dark: worse than an expired "
        "self-signed certificate, which at least was served.",
        "Run an approver, or approve by hand from the first date that the finding names: `kubevouch csr list`.",
    ),
    Entry(
        "KV412",
        "RequestOutsidePolicy",
        CRITICAL,
        "A pending kubelet-serving request asks for another node's name or address, or for one of the cluster's own.",
        "A node that gets such a certificate can be that other node, or the API server. It may be a mistake; treat it as "
        "an attempt.",
        "Do not approve it. `kubevouch csr explain NAME` shows the rule; look at the node that asked.",
    ),
    Entry(
        "KV501",
        "BootstrapOff",
        ERROR,
        "Kubelets serve certificates that they made themselves.",
        "serverTLSBootstrap is off, which is kubeadm's default: kubelets never ask the cluster for a certificate.",
        "kubevouch fix --plan plan.json",
        ("CIS 4.2.11 passes here; it looks at the feature gate",),
    ),
    Entry(
        "KV502",
        "ConfigMapDrift",
        WARNING,
        "The kubelet-config ConfigMap and the nodes disagree on serverTLSBootstrap.",
        "The next `kubeadm join` or `kubeadm upgrade` copies the ConfigMap to a node, and with it the other setting.",
        "kubevouch fix --plan plan.json changes both.",
    ),
    Entry(
        "KV505",
        "IgnoredKey",
        WARNING,
        "The kubelet's configuration has a key that differs from a known one only by its case.",
        "The kubelet falls back to lenient decoding and ignores it with one log line.",
        "Spell it as the finding says, or remove it.",
        ("kubeadm#2024",),
    ),
    Entry(
        "KV602",
        "ClusterCAExpiring",
        WARNING,
        "The cluster's CA ends within a year.",
        "The signer cuts every certificate to the CA's own end, and signs nothing after it.",
        "Plan the rotation of the CA (kubernetes.io: Manual Rotation of CA Certificates).",
    ),
    Entry(
        "KV605",
        "APIServerRefusesKubelets",
        CRITICAL,
        "`kubectl logs` and `kubectl exec` fail with `x509:` on the nodes that are named.",
        "kube-apiserver has --kubelet-certificate-authority, and these kubelets serve a certificate that it does not trust.",
        "kubevouch fix --plan plan.json",
        ("CIS 1.2.5",),
    ),
    Entry(
        "KV901",
        "NotAllowed",
        INFO,
        "The API server answered 403 to a read of ours.",
        "The credentials in use lack a verb; whatever hangs on it could not be told.",
        "`kubevouch doctor --print-role` prints the reader role; bind it to this user.",
    ),
    Entry(
        "KV902",
        "NotDialled",
        INFO,
        "Kubelets could not be dialled from here, and nothing else tells what they serve.",
        "Their addresses may not be reachable from this machine; that is no proof that metrics-server cannot reach them.",
        "Run kubevouch where the nodes' addresses can be reached.",
    ),
    Entry(
        "KV903",
        "Inconclusive",
        INFO,
        "Something could not be read, or two places disagree.",
        "The finding's text says what was seen.",
        "Run it again; `-o json` has the whole evidence.",
    ),
)

CATALOGUE: dict[str, Entry] = {entry.code: entry for entry in _ENTRIES}
"""By code, in order."""
