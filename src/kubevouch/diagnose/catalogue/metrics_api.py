"""KV1xx: the metrics API and metrics-server."""

from kubevouch.diagnose.catalogue.codes import ON_THE_WIRE, Code
from kubevouch.diagnose.catalogue.definition import (
    DOCTOR_AND_VERIFY,
    ERROR,
    INFO,
    WARNING,
    FindingDefinition,
)

_API_SERVICE = ("kubectl", "get", "apiservice", "v1beta1.metrics.k8s.io", "-o", "yaml")
_LOG = ("kubectl", "logs", "-n", "{namespace}", "-l", "{selector}", "--tail=20")
_DESCRIBE = ("kubectl", "describe", "pod", "-n", "{namespace}", "{subject}")
_WITHOUT_THE_FLAG = (
    "kubectl", "patch", "deployment", "-n", "{namespace}", "{deployment}", "--type=json", "-p", "{patch}",
)  # fmt: skip
_VALUES = ("helm", "get", "values", "{release}", "-n", "{release_namespace}")
_WITHOUT_THE_VALUE = (
    "Take {flag} out of these values (args) by `helm upgrade {release} CHART -n {release_namespace} --reuse-values --set-json 'args=[]'`, "
    "with the arguments that are to stay between the brackets."
)

DEFINITIONS = (
    FindingDefinition(
        code=Code.METRICS_API_MISSING,
        name="MetricsAPIMissing",
        severity=ERROR,
        see="`kubectl top nodes` says `error: Metrics API not available`, and there is no APIService "
        "v1beta1.metrics.k8s.io.",
        why="Nothing on this cluster serves the metrics API: metrics-server is not installed, or its APIService was deleted.",
        do="Install metrics-server without --kubelet-insecure-tls, then run `kubevouch doctor` again. Where its Deployment is "
        "still there, only the APIService is missing: apply metrics-server's manifest again, or upgrade its Helm release.",
        counts_in=DOCTOR_AND_VERIFY,
        cause_rank=330,
        next=("kubectl", "get", "apiservices"),
        by_hand="To have a metrics API again, {mend}.",
    ),
    FindingDefinition(
        code=Code.API_SERVICE_WIRING,
        name="APIServiceWiring",
        severity=ERROR,
        see="The APIService is not available: ServiceNotFound, ServicePortError, EndpointsNotFound or MissingEndpoints, "
        "although the pods are not the reason.",
        why="The APIService names a Service that does not exist or does not listen on that port, or the Service's selector "
        "matches no pod.",
        do="Compare `kubectl get apiservice v1beta1.metrics.k8s.io -o yaml` with the Service and the labels of the pods. "
        "A Service without a selector leads where its EndpointSlice says: look at the addresses there.",
        counts_in=DOCTOR_AND_VERIFY,
        cause_rank=310,
        next=_API_SERVICE,
        by_hand="So that the APIService leads somewhere, {mend}.",
    ),
    FindingDefinition(
        code=Code.NO_READY_METRICS_SERVER,
        name="NoReadyMetricsServer",
        severity=ERROR,
        see="metrics-server shows READY 0/1, the APIService says MissingEndpoints, `kubectl top` says "
        "`Metrics API not available`.",
        why="A metrics-server is ready only once it has metrics of at least one node and one pod; while every kubelet is "
        "refused it never is. Ours waits for every Ready node while --kubelet-insecure-tls is set, and for the share of "
        "nodes that --ready-min-nodes names. This is a symptom: the finding it points to is the cause. Of a metrics-server that is a "
        "static pod nothing is read: a node can make such a pod with any labels, flags and log.",
        do="Fix the cause that doctor names. Where it names none, metrics-server's log says what it waits for.",
        counts_in=DOCTOR_AND_VERIFY,
        symptom_of=(
            Code.METRICS_SERVER_SCALED_DOWN,
            Code.METRICS_SERVER_POD_BROKEN,
            *ON_THE_WIRE,
            Code.CN_NOT_NODE_NAME,
            Code.METRICS_SERVER_FORBIDDEN,
            Code.NO_KUBELET_REPORTS,
        ),
        cause_rank=340,
        next=_LOG,
        by_hand="Read in metrics-server's log what it waits for.",
    ),
    FindingDefinition(
        code=Code.API_SERVICE_UNREACHABLE,
        name="APIServiceUnreachable",
        severity=ERROR,
        see="The APIService says FailedDiscoveryCheck.",
        why="The API server cannot reach metrics-server's pods, or they answer it with an error: a network rule, a proxy "
        "setting, or a CA that does not match. A Service without a selector leads to no pod, but to the address in its "
        "EndpointSlice: then the process there does not run, or cannot be reached.",
        do="Read the condition's message; allow the control plane to reach the pods on metrics-server's port. Where the Service has "
        "no selector (metrics are served from outside of the cluster's pods), start that process, or correct the address in "
        "the EndpointSlice.",
        counts_in=DOCTOR_AND_VERIFY,
        cause_rank=320,
        next=_API_SERVICE,
        by_hand="So that the API server reaches what serves the metrics API, {mend}.",
    ),
    FindingDefinition(
        code=Code.METRICS_SERVER_POD_BROKEN,
        name="MetricsServerPodBroken",
        severity=ERROR,
        see="metrics-server's pods do not run: Pending, ImagePullBackOff, CrashLoopBackOff.",
        why="This is an ordinary fault of a workload and comes before any question of certificates.",
        do="`kubectl describe pod` and its events say why.",
        cause_rank=300,
        next=_DESCRIBE,
        by_hand="Fix what keeps metrics-server's pods from running.",
    ),
    FindingDefinition(
        code=Code.INSECURE_TLS_WORKAROUND,
        name="InsecureTLSWorkaround",
        severity=WARNING,
        see="metrics-server runs with --kubelet-insecure-tls, or ours with --kubelet-insecure-tls-nodes.",
        why="It does not verify kubelets (ours: those that --kubelet-insecure-tls-nodes names): whoever answers at a node's "
        "address can feed the autoscaler any number, and is sent metrics-server's token.",
        do="Fix the kubelets' certificates first (`kubevouch plan -o plan.json`), then remove the flag; of a Helm release by its values alone, "
        'since Helm 4 ends its next upgrade or rollback with `conflict with "kubectl-patch"` after a patch of the Deployment '
        "(`--force-conflicts` gets past it).",
        counts_in=DOCTOR_AND_VERIFY,
        cause_rank=290,
        cause="{title}.",
        next=_WITHOUT_THE_FLAG,
        next_of_release=_VALUES,
        by_hand_of_release=_WITHOUT_THE_VALUE,
    ),
    FindingDefinition(
        code=Code.ADDRESS_TYPE_MISMATCH,
        name="AddressTypeMismatch",
        severity=ERROR,
        see="`x509: certificate is valid for A, not B`, or `no such host`, although the certificate is good for another of "
        "the node's addresses.",
        why="metrics-server's --kubelet-preferred-address-types picks an address that the certificates do not hold. Ours then "
        "tries the node's other addresses of these types.",
        do="Set --kubelet-preferred-address-types to the order that this finding names.",
        cause_rank=150,
        cause="{title}.",
        next=("kubectl", "edit", "deployment", "-n", "{namespace}", "{deployment}"),
        by_hand="Set --kubelet-preferred-address-types={order} in metrics-server's arguments.",
        next_of_release=_VALUES,
        by_hand_of_release="Set --kubelet-preferred-address-types={order} by `helm upgrade` of that release, in its defaultArgs or args.",
    ),
    FindingDefinition(
        code=Code.PARTIAL_METRICS,
        name="PartialMetrics",
        severity=ERROR,
        see="`kubectl top nodes` shows `<unknown>` for some nodes, or leaves them out, while metrics-server is Ready.",
        why="One node's metrics are enough for metrics-server to be Ready (unless ours has --ready-min-nodes); those that it "
        "cannot read are simply missing.",
        do="Fix the cause of each node that is named.",
        counts_in=DOCTOR_AND_VERIFY,
        symptom_of=(*ON_THE_WIRE, Code.CN_NOT_NODE_NAME, Code.METRICS_SERVER_FORBIDDEN),
        cause_rank=410,
        next=_LOG,
        by_hand="Read in metrics-server's log why it has no metrics of these nodes.",
    ),
    FindingDefinition(
        code=Code.STALE_METRICS,
        name="StaleMetrics",
        severity=ERROR,
        see="A node's metrics in the API are minutes old.",
        why="metrics-server no longer gets samples from that kubelet and serves the last that it had.",
        do="Look at metrics-server's log for that node.",
        counts_in=DOCTOR_AND_VERIFY,
        symptom_of=(
            Code.NO_SERVING_CERTIFICATE,
            Code.EXPIRED,
            Code.KUBELET_UNREACHABLE,
            Code.KUBELET_DOES_NOT_ANSWER,
        ),
        cause_rank=420,
        next=_LOG,
        by_hand="Read in metrics-server's log why it gets no samples of these nodes.",
    ),
    FindingDefinition(
        code=Code.METRICS_SERVER_FORBIDDEN,
        name="MetricsServerForbidden",
        severity=ERROR,
        see="metrics-server's log says `is forbidden: User ... cannot list resource ...`; it never becomes ready.",
        why="The service account of metrics-server lacks a right that its ClusterRole system:metrics-server should give it: "
        "the role, or its binding, is missing or was changed.",
        do="Bind the role again: `kubectl create clusterrolebinding system:metrics-server "
        "--clusterrole=system:metrics-server --serviceaccount=NAMESPACE:ACCOUNT`. If that says AlreadyExists, apply "
        "metrics-server's own manifest again. Ours has a role of the name that NEXT says.",
        cause_rank=280,
        cause="{title}.",
        next=(
            "kubectl",
            "create",
            "clusterrolebinding",
            "{role}",
            "--clusterrole={role}",
            "--serviceaccount={account}",
        ),
        by_hand="If that says AlreadyExists, apply metrics-server's own manifest again: its ClusterRole lacks the right.",
    ),
    FindingDefinition(
        code=Code.METRICS_SERVER_SCALED_DOWN,
        name="MetricsServerScaledDown",
        severity=ERROR,
        see="metrics-server shows READY 0/0, and `kubectl top` says `Metrics API not available`.",
        why="Somebody has scaled metrics-server's Deployment to nothing.",
        do="`kubectl scale deployment metrics-server -n kube-system --replicas=1`",
        cause_rank=285,
        next=(
            "kubectl",
            "scale",
            "deployment",
            "-n",
            "{namespace}",
            "{deployment}",
            "--replicas=1",
        ),
    ),
    FindingDefinition(
        code=Code.INSECURE_FLAG_WITHOUT_EFFECT,
        name="InsecureFlagWithoutEffect",
        severity=WARNING,
        see="kubevouch metrics-server runs with --kubelet-insecure-tls; it warns of that, and is not ready while kubelets are "
        "not verified.",
        why="The flag came with the manifest of the metrics-server that it replaces. Ours verifies every kubelet all the same: "
        "one that is not verified gets no token, and so has no metrics (unless it lets anybody read them). While the flag is "
        "set, a replica is ready only once it has read every Ready node, so that a rolling update leaves the former pods serving.",
        do="Fix the nodes that are named (`kubevouch plan -o plan.json`), then remove the flag; of a Helm release by its values alone, "
        'since Helm 4 ends its next upgrade or rollback with `conflict with "kubectl-patch"` after a patch of the Deployment '
        "(`--force-conflicts` gets past it). A node that must be read unverified can be named in "
        "--kubelet-insecure-tls-nodes.",
        counts_in=DOCTOR_AND_VERIFY,
        symptom_of=(*ON_THE_WIRE, Code.CN_NOT_NODE_NAME),
        cause_rank=350,
        cause="{title}.",
        next=_WITHOUT_THE_FLAG,
        next_of_release=_VALUES,
        by_hand_of_release=_WITHOUT_THE_VALUE,
    ),
    FindingDefinition(
        code=Code.API_SERVICE_NOT_TRUSTED,
        name="APIServiceNotTrusted",
        severity=ERROR,
        see="`kubectl top` says `the server is currently unable to handle the request`; `kubectl get --raw "
        "/apis/metrics.k8s.io/v1beta1/nodes` says `x509:` and why. The APIService may say Available nevertheless: until 1.35 the "
        "API server's own check verifies nothing.",
        why="The API server verifies metrics-server by the caBundle of the APIService, for the name <service>.<namespace>.svc, "
        "and the certificate that it presents does not pass.",
        do="Put the authority of metrics-server's certificate into spec.caBundle of the APIService, or let metrics-server "
        "present a certificate of the authority that stands there.",
        counts_in=DOCTOR_AND_VERIFY,
        cause_rank=315,
        cause="{title}.",
        next=_API_SERVICE,
        by_hand="Make caBundle of the APIService and metrics-server's certificate agree.",
    ),
    FindingDefinition(
        code=Code.API_SERVICE_NOT_VERIFIED,
        name="APIServiceNotVerified",
        severity=INFO,
        see="The metrics API answers, and `kubectl get apiservice v1beta1.metrics.k8s.io -o yaml` shows `insecureSkipTLSVerify: true`, "
        "as upstream's manifest has it, and its chart by default.",
        why="The API server takes any certificate from whoever answers at the addresses of metrics-server's Service. Somebody who can answer "
        "there in its place, such as a node on the way or one that takes over a pod's address, can tell `kubectl top` and every "
        "HorizontalPodAutoscaler any numbers, and so have workloads scaled up or down. He gets no credential by it: what the API server "
        "proves itself with is a client certificate, whose key stays with it. It is about metrics-server and not about kubelets, so `verify` "
        "says nothing of it.",
        do="Have metrics-server present a certificate of an authority that stands in the APIService's caBundle. Ours: its chart does that by itself, and "
        "docs/metrics-server.md has the commands without Helm (A verified APIService without Helm). Upstream's, by its chart, where "
        "cert-manager runs: `helm upgrade metrics-server metrics-server/metrics-server -n kube-system --reuse-values --set "
        "tls.type=cert-manager,apiService.insecureSkipTLSVerify=false`. Its `tls.type=helm` does it as well, but keeps the certificate that it has made "
        "once and ends within a year: then nothing answers any more (KV117). To leave it as it is breaks nothing.",
        related=("metrics-server: apiService.insecureSkipTLSVerify of its chart",),
    ),
)
