"""Every code that a finding can have. Codes never change and are never reused.

Ranges: 1 metrics API and metrics-server, 2 reaching kubelets, 3 the certificate on the wire, 4 CSRs
and approvers, 5 the kubelet's configuration, 6 control plane and PKI, 9 facts that are unknown.
Missing numbers are reserved for later findings.
"""

from enum import StrEnum


class Code(StrEnum):
    """A finding's code. `findings.toml` has its texts."""

    METRICS_API_MISSING = "KV101"
    API_SERVICE_WIRING = "KV102"
    NO_READY_METRICS_SERVER = "KV103"
    API_SERVICE_UNREACHABLE = "KV104"
    METRICS_SERVER_POD_BROKEN = "KV108"
    INSECURE_TLS_WORKAROUND = "KV109"
    ADDRESS_TYPE_MISMATCH = "KV110"
    PARTIAL_METRICS = "KV112"
    STALE_METRICS = "KV113"
    METRICS_SERVER_FORBIDDEN = "KV114"
    METRICS_SERVER_SCALED_DOWN = "KV115"
    INSECURE_FLAG_WITHOUT_EFFECT = "KV116"
    API_SERVICE_NOT_TRUSTED = "KV117"
    API_SERVICE_NOT_VERIFIED = "KV118"
    KUBELET_UNREACHABLE = "KV201"
    KUBELET_DOES_NOT_ANSWER = "KV202"
    NODE_NOT_READY = "KV205"
    SELF_SIGNED = "KV301"
    NO_IP_SANS = "KV302"
    SAN_MISMATCH = "KV303"
    EXPIRED = "KV304"
    ROTATION_OVERDUE = "KV305"
    NOT_YET_VALID = "KV306"
    NO_SERVING_CERTIFICATE = "KV307"
    SIGNED_BY_OTHER_CA = "KV308"
    CN_NOT_NODE_NAME = "KV309"
    SHARED_MACHINE_IDENTITY = "KV310"
    OTHER_VERIFICATION_FAILURE = "KV311"
    PENDING_NO_APPROVER = "KV401"
    APPROVER_HOLDS = "KV402"
    DENIED_LOOP = "KV403"
    APPROVED_NOT_ISSUED = "KV404"
    SIGNER_REJECTED = "KV405"
    CSR_NEVER_MADE = "KV406"
    SUPERSEDED_CSR = "KV407"
    OUR_APPROVER_HOLDS = "KV408"
    OUR_APPROVER_DECIDES_NOTHING = "KV409"
    ROTATION_WILL_STALL = "KV411"
    CSR_OUTSIDE_POLICY = "KV412"
    LIVE_BOOTSTRAP_TOKENS = "KV413"
    OTHERS_APPROVE_BESIDE_OURS = "KV414"
    BOOTSTRAP_OFF = "KV501"
    CONFIG_MAP_DRIFT = "KV502"
    IGNORED_KEY = "KV505"
    CLOCK_SKEW = "KV601"
    CLUSTER_CA_EXPIRING = "KV602"
    CONTROL_PLANE_CERTIFICATE_ENDS = "KV603"
    API_SERVER_REFUSES_KUBELETS = "KV605"
    NO_KUBELET_REPORTS = "KV606"
    KUBELET_CLIENT_CERTIFICATE_ENDS = "KV607"
    KUBELET_CLIENT_CSR_STUCK = "KV608"
    CALLED_SERVER_NOT_TRUSTED = "KV609"
    NOT_ALLOWED = "KV901"
    NOT_DIALLED = "KV902"
    INCONCLUSIVE = "KV903"
    TOO_EARLY = "KV904"
    RUN_NOT_FINISHED = "KV905"

    @property
    def section(self) -> "Section":
        """The code's section in reports."""
        return Section(self.value[2])

    @property
    def is_doubt(self) -> bool:
        """Whether the code reports an unknown fact instead of a fault of the cluster."""
        return self.section is Section.COULD_NOT_TELL


class Section(StrEnum):
    """A section of a report: the codes with the same first digit. Reports keep this order."""

    METRICS_API = "1"
    REACHING_KUBELETS = "2"
    CERTIFICATES = "3"
    CSRS = "4"
    CONFIGURATION = "5"
    CONTROL_PLANE = "6"
    COULD_NOT_TELL = "9"


# Faults on the wire, worst first. They explain most symptoms in the earlier sections.
ON_THE_WIRE = (
    Code.NO_SERVING_CERTIFICATE,
    Code.EXPIRED,
    Code.NO_IP_SANS,
    Code.SELF_SIGNED,
    Code.SAN_MISMATCH,
    Code.SIGNED_BY_OTHER_CA,
    Code.NOT_YET_VALID,
    Code.OTHER_VERIFICATION_FAILURE,
    Code.ADDRESS_TYPE_MISMATCH,
    Code.KUBELET_UNREACHABLE,
    Code.KUBELET_DOES_NOT_ANSWER,
)
# Why a kubelet gets no certificate for its CSR.
CSR_NOT_SERVED = (
    Code.DENIED_LOOP,
    Code.SIGNER_REJECTED,
    Code.APPROVED_NOT_ISSUED,
    Code.APPROVER_HOLDS,
    Code.OUR_APPROVER_HOLDS,
    Code.OUR_APPROVER_DECIDES_NOTHING,
    Code.PENDING_NO_APPROVER,
)
