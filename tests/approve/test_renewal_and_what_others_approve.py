"""Live renewal, and what others approve."""

import pytest

from kubevouch.system_clock import SystemClock
from tests.approve.conftest import Cluster, ago, approving
from tests.support.authority import Authority
from tests.support.contexts import server_context
from tests.support.scripted.faults import answered_late
from tests.support.scripted.kinds import CSRS
from tests.support.scripted.kubelet import ScriptedKubelet, Serve

# Another one than the API server's, which no kubelet may have.
ADDRESS = "127.0.0.2"
HERE = (ADDRESS,)


async def test_a_certificate_that_is_served_renews_itself(cluster: Cluster) -> None:
    """Served with the same leaf at the address that is asked for; nothing is written down for the node."""
    pair = cluster.authority.serving("n1", ADDRESS, node="n1")
    async with ScriptedKubelet(Serve(server_context(pair)), SystemClock(), host=ADDRESS) as kubelet:
        cluster.node("n1", ADDRESS, port=kubelet.port)
        async with approving(cluster, loopback=HERE):
            await cluster.approves("csr-1", "n1")
        assert kubelet.seen
    assert "by the certificate that the kubelet serves" in cluster.conditions("csr-1")[0]["message"]


@pytest.mark.parametrize("of", ["another authority", "another node"])
async def test_a_certificate_of_another_authority_or_node_renews_nothing(
    cluster: Cluster, of: str
) -> None:
    signer = cluster.authority if of == "another node" else Authority()
    pair = signer.serving("n1", ADDRESS, node="n2" if of == "another node" else "n1")
    async with ScriptedKubelet(Serve(server_context(pair)), SystemClock(), host=ADDRESS) as kubelet:
        cluster.node("n1", ADDRESS, port=kubelet.port)
        async with approving(cluster, loopback=HERE) as running:
            await running.decides("csr-1", "n1")
            assert "NodeUnknown" in running.log
    assert not cluster.conditions("csr-1")


@pytest.mark.parametrize(
    ("reason", "manager"),
    [("AutoApproved", "lax-approver"), ("KubevouchApprove", ""), ("KubevouchApprove", "kubevouch")],
    ids=["by name", "made with a name and nothing else (kubectl create)", "with our reason"],
)
async def test_what_others_approve_against_the_policy_is_reported(
    cluster: Cluster, reason: str, manager: str
) -> None:
    cluster.listed("n1")
    async with approving(cluster) as running:
        await running.decides("csr-1", "n1", "192.0.2.9")
        approve(cluster, "csr-1", reason=reason, manager=manager)
        await running.logged("Another client approved a CSR our policy holds")
        (line,) = (each for each in running.lines if "Another client approved" in each)
        assert "AddressNotAllowed" in line
        assert f'selfDeclaredReason="{reason}" selfDeclaredManager="{manager}"' in line
        series = 'kubevouch_approver_others_approved_total{verdict="refuse"}'
        assert running.metric(series) == 1


async def test_our_own_approval_is_not_another_ones_if_the_watch_is_early(
    cluster: Cluster,
) -> None:
    cluster.listed("n1")
    async with approving(cluster) as running:

        async def shown() -> None:
            await cluster.until(lambda: running.metric("kubevouch_approver_pending") == 0)

        path = "/apis/certificates.k8s.io/v1/certificatesigningrequests/csr-1/approval"
        cluster.server.faults.on(path, answered_late(cluster.server.truth, shown), method="PATCH")
        cluster.csr("csr-1", "n1")
        await running.logged('"Approved"')
        for verdict in ("pass", "refuse", "cannot-tell"):
            series = f'kubevouch_approver_others_approved_total{{verdict="{verdict}"}}'
            assert running.metric(series) == 0


def approve(cluster: Cluster, name: str, *, reason: str, manager: str) -> None:
    """manager: "" leaves the CSR without managed fields."""
    written = {"manager": manager, "operation": "Update", "subresource": "approval"}
    condition = {
        "type": "Approved",
        "status": "True",
        "reason": reason,
        "lastUpdateTime": ago(0),
    }
    cluster.server.store.change(
        CSRS,
        ("", name),
        lambda it: {
            **it,
            "metadata": {**it["metadata"], "managedFields": [written] if manager else []},
            "status": {"conditions": [condition]},
        },
    )
