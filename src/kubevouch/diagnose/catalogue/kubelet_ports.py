"""KV2xx and KV3xx: reaching kubelets, and the certificate that they present."""

from kubevouch.diagnose.catalogue.codes import CSR_NOT_SERVED, Code
from kubevouch.diagnose.catalogue.definition import (
    ASK_AGAIN,
    CRITICAL,
    CSR_LIST,
    DOCTOR_AND_VERIFY,
    ERROR,
    EVERYWHERE,
    KUBELET_LOG,
    PLAN,
    PROBE,
    WARNING,
    FindingDefinition,
)

_PLAN_TEXT = "kubevouch fix --plan plan.json"
_APPROVAL_TEXT = (
    "Its port then has no certificate until its CSR is approved: by an approver, or where none runs by "
    "`kubevouch fix --plan plan.json`."
)
_ASKED_AGAIN = "{title}{where}. A kubelet that asks again has no certificate until its CSR is approved{approver}."
"""The cause where NEXT has the kubelet ask for a new certificate."""

DEFINITIONS = (
    FindingDefinition(
        code=Code.KUBELET_UNREACHABLE,
        name="KubeletUnreachable",
        severity=ERROR,
        see="`connect: connection refused`, `i/o timeout` or `no route to host` on port 10250.",
        why="A refused connection is an answer of the node: nothing listens on the port, so the kubelet is down. A time-out is no "
        "answer: the node is down, or something on the way to it drops the packets.",
        do="`systemctl status kubelet` on the node; then look at firewalls and routes between metrics-server and the node.",
        counts_in=EVERYWHERE,
        symptom_of=(Code.NO_KUBELET_REPORTS, Code.NODE_NOT_READY),
        cause_rank=200,
        next=KUBELET_LOG,
        by_hand="Start the kubelet of {subjects} again, or open the way to its port.",
    ),
    FindingDefinition(
        code=Code.KUBELET_DOES_NOT_ANSWER,
        name="KubeletDoesNotAnswer",
        severity=ERROR,
        see="Port 10250 accepts the connection and then nothing comes, or something that is not TLS.",
        why="The kubelet hangs, or something else listens on its port.",
        do="`systemctl status kubelet` and `ss -ltnp 'sport = :10250'` on the node.",
        counts_in=EVERYWHERE,
        symptom_of=(Code.NO_KUBELET_REPORTS, Code.NODE_NOT_READY),
        cause_rank=210,
        next=KUBELET_LOG,
        by_hand="Restart the kubelet of {subjects}, or stop what else listens on its port.",
    ),
    FindingDefinition(
        code=Code.NODE_NOT_READY,
        name="NodeNotReady",
        severity=ERROR,
        see="`kubectl get nodes` shows the node NotReady.",
        why="Its kubelet has stopped reporting, or reports that something on the node does not work. Nothing can be said of "
        "its certificate, and nothing can be fixed, before it runs.",
        do="`systemctl status kubelet` and `journalctl -u kubelet` on the node. Where the log says that the client "
        "certificate has expired, see KV606. A node that comes back by a bootstrap token has a client certificate that nobody "
        "vouches for: an installed approver holds its CSRs until `kubevouch approver pin NODE --csr NAME`.",
        symptom_of=(
            Code.NO_KUBELET_REPORTS,
            Code.KUBELET_CLIENT_CERTIFICATE_ENDS,
            Code.KUBELET_CLIENT_CSR_STUCK,
        ),
        cause_rank=195,
        next=KUBELET_LOG,
        by_hand="Make the kubelet of {subjects} run again.",
    ),
    FindingDefinition(
        code=Code.SELF_SIGNED,
        name="SelfSigned",
        severity=ERROR,
        see="`x509: certificate signed by unknown authority`; the issuer is `<host>-ca@<number>`.",
        why="The kubelet made its certificate itself, because serverTLSBootstrap is off. Nobody vouches for it.",
        do=_PLAN_TEXT,
        related=("CIS 4.2.9, 4.2.11 (neither tests this)", "kubernetes#99418"),
        counts_in=EVERYWHERE,
        symptom_of=(Code.BOOTSTRAP_OFF,),
        cause_rank=140,
        next=PROBE,
        by_hand="Turn serverTLSBootstrap on for the kubelet of {subjects}.",
    ),
    FindingDefinition(
        code=Code.NO_IP_SANS,
        name="NoIPSANs",
        severity=ERROR,
        see="`x509: cannot validate certificate for 10.0.0.5 because it doesn't contain any IP SANs`.",
        why="A self-signed kubelet certificate holds the host name only, and metrics-server dials the address. Besides, "
        "nobody has signed it.",
        do=_PLAN_TEXT,
        related=("CIS 4.2.9, 4.2.11 (neither tests this)",),
        counts_in=EVERYWHERE,
        symptom_of=(Code.ADDRESS_TYPE_MISMATCH, Code.BOOTSTRAP_OFF),
        cause_rank=130,
        next=PROBE,
        by_hand="Give the kubelet of {subjects} a certificate that holds the node's addresses.",
    ),
    FindingDefinition(
        code=Code.SAN_MISMATCH,
        name="SANMismatch",
        severity=ERROR,
        see="`x509: certificate is valid for A, B, not C`.",
        why="The certificate lacks the address that is dialled: the node's address has changed, or somebody made it by hand.",
        do="The kubelet asks for a new one by itself when its addresses change, and can be made to by removing "
        "kubelet-server-current.pem and restarting it. " + _APPROVAL_TEXT,
        counts_in=EVERYWHERE,
        symptom_of=(Code.ADDRESS_TYPE_MISMATCH, Code.BOOTSTRAP_OFF),
        cause_rank=160,
        cause=_ASKED_AGAIN,
        next=ASK_AGAIN,
    ),
    FindingDefinition(
        code=Code.EXPIRED,
        name="Expired",
        severity=CRITICAL,
        see="`x509: certificate has expired or is not yet valid: current time ... is after ...`.",
        why="A self-signed kubelet certificate lives a year and is never renewed; `kubeadm certs` does not look at it.",
        do=_PLAN_TEXT,
        related=("kubernetes#99418",),
        counts_in=EVERYWHERE,
        symptom_of=(Code.BOOTSTRAP_OFF,),
        cause_rank=120,
        next=PROBE,
        by_hand="Replace the certificate that the kubelet of {subjects} was given by hand, or restart that kubelet.",
    ),
    FindingDefinition(
        code=Code.ROTATION_OVERDUE,
        name="RotationOverdue",
        severity=WARNING,
        see="More than 92 % of the certificate's life is used.",
        why="The kubelet asks for a new one at 70 to 90 %: it is asking, and gets none.",
        do="`kubevouch csr list` shows what it asks for and what holds it.",
        symptom_of=CSR_NOT_SERVED,
        cause_rank=430,
        next=CSR_LIST,
        by_hand="Look on {subject} why its kubelet does not ask for a new certificate.",
    ),
    FindingDefinition(
        code=Code.NOT_YET_VALID,
        name="NotYetValid",
        severity=ERROR,
        see="`x509: certificate has expired or is not yet valid: current time ... is before ...`.",
        why="A clock is wrong: this machine's, the signer's, or the node's that made its own certificate.",
        do="Compare the clocks (`timedatectl`, `chronyc tracking`) and set the wrong one right. Then have the kubelet ask for "
        "a new certificate: remove kubelet-server-current.pem and restart it. " + _APPROVAL_TEXT,
        counts_in=EVERYWHERE,
        symptom_of=(Code.CLOCK_SKEW,),
        cause_rank=180,
        cause=_ASKED_AGAIN,
        next=ASK_AGAIN,
        by_hand="If that does not help, compare the clocks of this machine and of the control plane.",
    ),
    FindingDefinition(
        code=Code.NO_SERVING_CERTIFICATE,
        name="NoServingCertificate",
        severity=CRITICAL,
        see="`remote error: tls: internal error`: for scrapes, `kubectl logs` and `kubectl exec`.",
        why="serverTLSBootstrap is on and the kubelet has no valid certificate: its CSR is pending, denied or failed, "
        "or the last certificate has expired.",
        do="kubevouch fix --plan plan.json, which approves each node's newest CSR after checking it.",
        related=("kubeadm#591",),
        counts_in=EVERYWHERE,
        symptom_of=(*CSR_NOT_SERVED, Code.CSR_NEVER_MADE),
        cause_rank=110,
        next=CSR_LIST,
        by_hand="Look there whether its CSR is pending (doctor says that our approver holds it, KV408, only after 20 s, and that "
        "another one does, KV402, only after 2 minutes); if one was issued, the kubelet's log on {subject} says why it does not use "
        "that certificate.",
    ),
    FindingDefinition(
        code=Code.SIGNED_BY_OTHER_CA,
        name="SignedByOtherCA",
        severity=ERROR,
        see="`x509: certificate signed by unknown authority`, and the issuer is a CA, not the kubelet itself.",
        why="The CA was replaced, the node came from another cluster, or some other CA signed it.",
        do="Have the kubelet ask again: with serverTLSBootstrap on, remove kubelet-server-current.pem and restart it. "
        + _APPROVAL_TEXT,
        counts_in=EVERYWHERE,
        cause_rank=170,
        cause=_ASKED_AGAIN,
        next=ASK_AGAIN,
    ),
    FindingDefinition(
        code=Code.CN_NOT_NODE_NAME,
        name="CNNotNodeName",
        severity=WARNING,
        see="The certificate verifies, but does not name the node: its CN is not `system:node:<name>` with O `system:nodes`, nor "
        "are both its CN and a DNS name the node's name.",
        why="Somebody made it by hand. Scrapers that check whom they talk to (ours does) refuse it; the API server, once it has "
        "KEP-4872, takes `system:node:<name>` only. Where ours serves the metrics API it is an error: that node has no metrics.",
        do=_PLAN_TEXT,
        related=("KEP-4872",),
        counts_in=DOCTOR_AND_VERIFY,
        cause_rank=405,
        next=PLAN,
    ),
    FindingDefinition(
        code=Code.SHARED_MACHINE_IDENTITY,
        name="SharedMachineIdentity",
        severity=WARNING,
        see="Several nodes have the same machine-id or system UUID in their Node status.",
        why="They were cloned from one image whose /etc/machine-id was not emptied; ssh host keys are often cloned with it. "
        "An id or a key that two machines share proves of neither which one it is.",
        do="Give each node a machine-id of its own (`rm /etc/machine-id; systemd-machine-id-setup`, then reboot), and new ssh "
        "host keys (`ssh-keygen -A` after removing the old ones).",
    ),
    FindingDefinition(
        code=Code.OTHER_VERIFICATION_FAILURE,
        name="OtherVerificationFailure",
        severity=ERROR,
        see="The kubelet's certificate does not verify, for a reason without a code of its own.",
        why="The text of the finding is what Go, and so metrics-server, says of it.",
        do="`kubevouch probe NODE` shows the certificate.",
        counts_in=EVERYWHERE,
        cause_rank=190,
        next=PROBE,
        by_hand="Give the kubelet of {subjects} a certificate that verifies.",
    ),
)
