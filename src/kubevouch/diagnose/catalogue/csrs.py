"""KV4xx: CSRs for serving certificates, who decides on them, and what happens if nobody does."""

from kubevouch.diagnose.catalogue.codes import Code
from kubevouch.diagnose.catalogue.definition import (
    CRITICAL,
    DOCTOR_AND_VERIFY,
    ERROR,
    INFO,
    INSTALL_APPROVER,
    KUBELET_LOG,
    PLAN,
    WARNING,
    FindingDefinition,
)

_EXPLAIN = ("kubevouch", "csr", "explain", "{csr}")

DEFINITIONS = (
    FindingDefinition(
        code=Code.PENDING_NO_APPROVER,
        name="PendingNoApprover",
        severity=ERROR,
        see="`kubectl get csr` shows CSRs of the signer kubernetes.io/kubelet-serving that stay Pending.",
        why="Kubernetes itself never approves serving certificates, and nothing on this cluster does.",
        do="kubevouch plan -o plan.json, or for a single CSR: `kubevouch csr explain NAME`. For those to come: "
        f"`{INSTALL_APPROVER}`.",
        related=("kubernetes#73356",),
        cause_rank=60,
        cause="serverTLSBootstrap is on, kubelets ask for their certificates, and nothing on this cluster approves "
        "them.{dark}{until}",
        next=PLAN,
    ),
    FindingDefinition(
        code=Code.APPROVER_HOLDS,
        name="ApproverHolds",
        severity=ERROR,
        see="A CSR for a serving certificate has been Pending for minutes although an approver runs.",
        why="The approver is down, lacks the `approve` permission on the signer, or holds or refuses this CSR.",
        do="Read the approver's log; `kubevouch csr explain NAME` shows what our policy would decide.",
        cause_rank=50,
        cause="{title}.",
        next=_EXPLAIN,
        by_hand="Read the log of {approver}, and correct its rule or its permissions{gone}.",
    ),
    FindingDefinition(
        code=Code.DENIED_LOOP,
        name="DeniedLoop",
        severity=CRITICAL,
        see="A node's CSRs for a serving certificate are Denied, again and again.",
        why="A kubelet whose CSR is denied asks again every 32 seconds, for ever. Some approver's rule refuses this node.",
        do="`kubectl get csr NAME --show-managed-fields -o yaml` shows the manager that denies it: the one with `subresource: "
        "approval`. Correct the rule of that approver, or remove it. `kubevouch csr explain NAME` shows what our policy says.",
        cause_rank=20,
        cause="{title}.",
        next=("kubectl", "get", "csr", "{csr}", "--show-managed-fields", "-o", "yaml"),
        by_hand="There managedFields name who denies: {approver}. Correct the rule of that approver, or remove it.",
    ),
    FindingDefinition(
        code=Code.APPROVED_NOT_ISSUED,
        name="ApprovedNotIssued",
        severity=ERROR,
        see="A CSR for a serving certificate is Approved and not Issued.",
        why="Nobody signs: the controller-manager is down, or has no CA key, or a managed platform does not sign these.",
        do="Look at kube-controller-manager: its --cluster-signing-* flags and its log.",
        cause_rank=40,
        next=(
            "kubectl",
            "logs",
            "-n",
            "kube-system",
            "-l",
            "component=kube-controller-manager",
        ),
        by_hand="Start kube-controller-manager again, or give it the CA's key (--cluster-signing-*).",
    ),
    FindingDefinition(
        code=Code.SIGNER_REJECTED,
        name="SignerRejected",
        severity=ERROR,
        see="A CSR for a serving certificate is Failed: SignerValidationFailure.",
        why="The CSR breaks the signer's own rules (organization, usages, kinds of names).",
        do="The condition's message names the field.",
        cause_rank=30,
        cause="{title}.",
        next=_EXPLAIN,
        by_hand="Fix what makes the node ask for this: the condition's message names the field.",
    ),
    FindingDefinition(
        code=Code.CSR_NEVER_MADE,
        name="RequestNeverMade",
        severity=ERROR,
        see="The kubelet has no serving certificate, and there is no CSR from it.",
        why="It has no IP address in its Node status, cannot reach the API server, or its client certificate has expired.",
        do="`journalctl -u kubelet` on the node; `kubectl get node NAME -o yaml` for its addresses.",
        related=("kubernetes#130001",),
        cause_rank=70,
        next=KUBELET_LOG,
        by_hand="Fix what keeps the kubelet of {subjects} from asking: its log says it.",
    ),
    FindingDefinition(
        code=Code.SUPERSEDED_CSR,
        name="SupersededRequest",
        severity=INFO,
        see="A pending CSR, older than a newer one of the same node; or of a node that serves a certificate of its own making, "
        "on which serverTLSBootstrap was turned off again since: by `kubevouch undo`, say, or by the dead-man's switch of a run; "
        "or one that asks for what its Node does not claim.",
        why="The kubelet has dropped the key of this CSR: approving it would give a certificate that nobody can use. A kubelet "
        "asks for just what its Node claims: one that asks for more it made before that changed, or somebody else made it. "
        "`kubevouch csr explain NAME` shows it.",
        do="Leave it; Kubernetes deletes it after 24 hours.",
    ),
    FindingDefinition(
        code=Code.OUR_APPROVER_HOLDS,
        name="OurApproverHolds",
        severity=ERROR,
        see="A CSR for a serving certificate stays Pending although kubevouch's own approver runs.",
        why="It holds every CSR whose names and addresses it cannot prove: as a rule a node that joined, that was deleted "
        "and came back, or whose names or addresses have changed, and that nobody has pinned since.",
        do="`kubevouch csr explain NAME` shows why, and so does the Event KubeletServingHeld (`kubectl describe csr NAME`). If the "
        "node is yours, and no source knows it or its names and addresses have changed since it was pinned (`kubevouch approver "
        "pin --diff`): `kubevouch approver pin NODE --via ssh`. If it asks for what is not its own, do not pin it: look at the node. One that is over its "
        "node's budget (OverBudget) is approved by itself some minutes later; if its port is dark meanwhile, `kubevouch csr approve NAME "
        "--against-approver`.",
        cause_rank=55,
        cause="{title}: {subjects}. Why is in the Events of the CSR: kubectl describe csr {quoted_csr}",
        next=_EXPLAIN,
        by_hand="If the node is yours, and no source knows it or its names and addresses have changed since it was pinned: "
        "`kubevouch approver pin {subject} --via ssh` shows what it would pin, and asks. If it is over its budget, it is approved by itself some minutes "
        "later. Otherwise mend what the rule names; a pin would be wrong.",
    ),
    FindingDefinition(
        code=Code.OUR_APPROVER_DECIDES_NOTHING,
        name="OurApproverDecidesNothing",
        severity=ERROR,
        see="kubevouch's own approver is installed. None of its pods is ready, or none of them leads; "
        "or one leads, and its configuration cannot be read.",
        why="Of its processes the one that holds the Lease kubevouch-system/kubevouch-approver decides, and renews it every "
        "two seconds. While nobody does, CSRs wait; and with a configuration that cannot be read (the ConfigMap of that name) "
        "each CSR is held. What is served stays valid meanwhile.",
        do="`kubectl -n kubevouch-system get pods,events`; where pods are ready and none leads: `kubectl -n kubevouch-system "
        "logs deployment/kubevouch-approver`; where its configuration cannot be read: `kubectl -n kubevouch-system edit "
        "configmap/kubevouch-approver` (docs/policy.md has one). While no pod leads, `kubevouch csr approve --all` asks the same policy; by a configuration that cannot be read it approves nothing, either.",
        cause_rank=52,
        cause="{title}.",
        next=("kubectl", "-n", "kubevouch-system", "{look}", "{at}"),
        by_hand="To mend it, {mend}.",
        counts_in=DOCTOR_AND_VERIFY,
    ),
    FindingDefinition(
        code=Code.ROTATION_WILL_STALL,
        name="RotationWillStall",
        severity=WARNING,
        see="All is well, for now.",
        why="serverTLSBootstrap is on and no approver is seen to run, or ours runs and approves nothing (KV409). An approver is seen by its pods and "
        "the ClusterRole by which their account may approve, and ours by its Lease, too. One outside of the cluster, as a managed control plane may have, shows only "
        "in the CSRs that it approved, which Kubernetes deletes after an hour. The finding names the newest of them; it does not prove that the approver still runs. Kubelets ask for their next certificate at 70 to 90 % of the "
        "life of this one; nobody will approve it, and at NotAfter the port goes dark: worse than an expired "
        "self-signed certificate, which at least was served.",
        do=f"If your platform approves these CSRs itself, there is nothing to do. Otherwise run an approver: `{INSTALL_APPROVER}`; where ours is installed already, `kubevouch doctor` says what keeps it "
        "from approving. Where none runs, CSRs wait from the first date that the finding names, and `kubevouch csr "
        "list` shows them: `kubevouch plan -o plan.json` then plans the approval of each, with names and addresses "
        "that are proven to be its node's.",
        counts_in=DOCTOR_AND_VERIFY,
    ),
    FindingDefinition(
        code=Code.CSR_OUTSIDE_POLICY,
        name="RequestOutsidePolicy",
        severity=CRITICAL,
        see="A pending CSR for a serving certificate asks for another node's name or address, or for one of the cluster's "
        "own.",
        why="A node that gets such a certificate can pose as that other node, or as the API server. It may be a mistake; "
        "treat it as an attempt.",
        do="Do not approve it. `kubevouch csr explain NAME` shows the rule; look at the node that asked.",
        cause_rank=10,
        cause="{title}: {csr}, {asked}. Do not approve it; look at the node that asked.",
        next=_EXPLAIN,
        by_hand="Look at the node that asked; then delete the CSR, or deny it.",
    ),
    FindingDefinition(
        code=Code.LIVE_BOOTSTRAP_TOKENS,
        name="LiveBootstrapTokens",
        severity=INFO,
        see="The ConfigMap kube-public/cluster-info is signed with bootstrap tokens.",
        why="Whoever has a live bootstrap token is given a client certificate for any node name, also of a node that exists, "
        "and can then ask for that node's serving certificate. Tokens without the usage `signing` do not show there.",
        do="`kubeadm token list`, and `kubeadm token delete ID` for each that no node needs any more.",
    ),
    FindingDefinition(
        code=Code.OTHERS_APPROVE_BESIDE_OURS,
        name="OthersApproveBesideOurs",
        severity=INFO,
        see="kubevouch's own approver runs, and another one beside it.",
        why="Both decide the same CSRs. Two approvers are as good as the laxer one: what another one approves, ours cannot hold, and a "
        "certificate cannot be taken back. Only the admission policies of `--enforce`, which doctor does not read, refuse what another one approves.",
        do="docs/migrate.md says how to go over: `kubevouch csr explain NAME` shows what our policy says of a CSR that the other one has "
        "approved. Then stop it for good: its Deployment and its ClusterRoleBinding. At last "
        f"`{INSTALL_APPROVER} --enforce`: from then on the API server refuses its approvals.",
        counts_in=DOCTOR_AND_VERIFY,
    ),
)
