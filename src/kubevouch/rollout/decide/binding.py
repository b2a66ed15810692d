"""Whether this is the cluster that a plan was made for. Pure."""

from kubevouch.rollout.decide.plan import ClusterBinding


def not_the_cluster(bound: ClusterBinding, uid: str, ca_sha256: str) -> str:
    """Why this is not the plan's cluster; empty if it is.

    uid: of the namespace kube-system. ca_sha256: of the certificates that pods trust (TrustedRoots.sha256).
    """
    if uid != bound.cluster_uid:
        return f"this is not the cluster of the plan, which is for {bound.server}"
    if ca_sha256 != bound.ca_sha256:
        return "the cluster's CA has changed since the plan"
    return ""
