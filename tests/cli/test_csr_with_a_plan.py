"""`csr --plan`: the plan is for this cluster, and what will be vouched for is shown before the question."""

import json
import re
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kubevouch.cli.common.plan_file import write_plan
from kubevouch.evidence.snapshot import trusted_roots_of
from kubevouch.policy.claims import Claim, NameSource
from kubevouch.rollout.decide.plan import ChangeKind, ClusterBinding, NodePlan, Plan
from kubevouch.x509 import read_certificates
from tests.cli.program import Program
from tests.cli.waiting import OTHER, OTHERS_ADDRESS, put_node, put_pin, put_written
from tests.support.requests import request
from tests.support.scripted.kinds import CSRS, KINDS
from tests.support.stage import Stage

NODE, ADDRESS = "w9.example.com", "192.168.88.90"
NODES, CONFIG_MAPS, NAMESPACES = (
    KINDS["", "v1", kind] for kind in ("nodes", "configmaps", "namespaces")
)
MACHINE = "9f3ec6b5a28b4d30a4c9f4d4be0b1ae8"


@pytest.fixture
def plan(stage: Stage, tmp_path: Path) -> Plan:
    """Of one node, which waits with a CSR; as `plan` would write it now."""
    node = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": NODE, "uid": "uid-9"},
        "status": {
            "addresses": [
                {"type": "Hostname", "address": NODE},
                {"type": "InternalIP", "address": ADDRESS},
            ],
            "nodeInfo": {"machineID": MACHINE},
        },
    }
    csr = {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {
            "name": "csr-w9",
            "uid": "csr-w9",
            "resourceVersion": "900",
            "creationTimestamp": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        },
        "spec": {
            "signerName": "kubernetes.io/kubelet-serving",
            "username": f"system:node:{NODE}",
            "groups": ["system:nodes", "system:authenticated"],
            "usages": ["digital signature", "server auth"],
            "request": b64encode(request(NODE, [NODE], [ADDRESS])).decode(),
        },
        "status": {},
    }
    stage.server.store.put(NODES, node)
    stage.server.store.put(CSRS, csr)
    roots = stage.server.store.get(CONFIG_MAPS, "kube-root-ca.crt", "kube-system")["data"]["ca.crt"]
    return Plan(
        run="abcd1234",
        made_at=datetime.now(UTC),
        made_by="0",
        via="ssh",
        ssh_config="",
        ssh_user="",
        cluster=ClusterBinding(
            context="",
            server="https://127.0.0.1:6443",
            cluster_uid=stage.server.store.get(NAMESPACES, "kube-system")["metadata"]["uid"],
            ca_sha256=trusted_roots_of(read_certificates(roots.encode(), "roots")).sha256,
            version="v1.36.3",
        ),
        nodes=(
            NodePlan(
                node=NODE,
                uid="uid-9",
                machine_id=MACHINE,
                host=NODE,
                host_key="SHA256:x",
                control_plane=False,
                kubelet_version="v1.36.3",
                change=ChangeKind.APPROVE,
                dial=(ADDRESS,),
                port=10250,
                names=(Claim(NODE, NameSource.NODE_NAME),),
                addresses=(Claim(ADDRESS, NameSource.SSH_HOST_KEY),),
            ),
        ),
        left_out=(),
        config_map=None,
        config_map_note="",
        approver="",
    )  # fmt: skip


def saved(plan: Plan, tmp_path: Path, **changes: object) -> str:
    """The plan as a file, some of it changed by hand."""
    path = tmp_path / "plan.json"
    write_plan(plan, path)
    document = json.loads(path.read_text())
    document["cluster"] |= changes.pop("cluster", {})
    document["nodes"][0] |= changes.pop("node", {})
    path.write_text(json.dumps(document | changes))
    return str(path)


async def test_a_plan_of_this_cluster_passes_its_nodes_csr(
    kubevouch: Program, stage: Stage, plan: Plan, tmp_path: Path
) -> None:
    ran = await kubevouch("csr", "explain", "csr-w9", "--plan", saved(plan, tmp_path))
    assert ran.code == 0, ran
    assert re.search(r"^not asked  credential-id  ", ran.out, re.MULTILINE), ran
    assert ran.out.rstrip().endswith("every rule that was asked passes")


@pytest.mark.parametrize(
    ("field", "text"),
    [("cluster_uid", "not the cluster of the plan"), ("ca_sha256", "the cluster's CA has changed")],
)
@pytest.mark.parametrize("verb", [("list",), ("explain", "csr-w9"), ("approve", "csr-w9", "--yes")])
async def test_a_plan_of_another_cluster_is_refused(
    kubevouch: Program,
    stage: Stage,
    plan: Plan,
    tmp_path: Path,
    verb: tuple[str, ...],
    field: str,
    text: str,
) -> None:
    ran = await kubevouch("csr", *verb, "--plan", saved(plan, tmp_path, cluster={field: "0" * 64}))
    assert ran.code == 2, ran
    assert text in ran.err
    assert {each.method for each in stage.server.requests} == {"GET"}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"node": {"uid": "uid-8"}}, "recreated since the plan"),
        ({"node": {"machine_id": "0" * 32}}, "on another machine"),
        (
            {"made_at": (datetime.now(UTC) - timedelta(days=31)).isoformat()},
            "the plan was made 744 hours ago",
        ),
    ],
    ids=["another Node", "another machine", "a month old"],
)
async def test_a_plan_that_does_not_hold_any_more_holds_the_csr(
    kubevouch: Program,
    stage: Stage,
    plan: Plan,
    tmp_path: Path,
    changes: dict[str, object],
    text: str,
) -> None:
    ran = await kubevouch(
        "csr", "approve", "csr-w9", "--yes", "--plan", saved(plan, tmp_path, **changes)
    )
    assert ran.code == 1, ran
    assert text in " ".join(ran.out.split())
    assert "csr-w9: held by allowed-names, allowed-addresses" in ran.out


@pytest.mark.parametrize("configuration", ["schemaVersion: kubevouch.approver/1", "[]"])
async def test_what_is_pinned_to_another_node_goes_before_a_plan_whatever_the_configuration_is(
    kubevouch: Program, stage: Stage, plan: Plan, tmp_path: Path, configuration: str
) -> None:
    """With a configuration that cannot be read nobody knows whether pins count: whoever has one loses nothing by that."""
    put_node(stage, OTHER, "uid-8", OTHERS_ADDRESS)
    put_pin(stage, OTHER, "uid-8", OTHERS_ADDRESS, ADDRESS)
    put_written(stage, "kubevouch-approver", {"configuration.yaml": configuration})
    ran = await kubevouch("csr", "approve", "csr-w9", "--plan", saved(plan, tmp_path), "--yes")
    assert ran.code == 1, ran
    assert "foreign-addresses" in ran.out
    assert "ForeignAddress" in ran.out
    unread = "what the approver's configuration says of networks, domain and lifetimes is not known"
    assert (unread in ran.err) is (configuration == "[]")


async def test_the_question_shows_what_will_be_vouched_for(
    kubevouch: Program, stage: Stage, plan: Plan, tmp_path: Path
) -> None:
    asked = await kubevouch("csr", "approve", "csr-w9", "--plan", saved(plan, tmp_path))
    assert asked.code == 2, asked
    assert (
        f"csr-w9: system:node:{NODE} is {NODE}, {ADDRESS} (not asked: budget, client-standing, credential-id, own-key, same-node)"
        in " ".join(asked.err.split())
    )
    assert "--yes was expected" in asked.err
    assert {each.method for each in stage.server.requests} == {"GET"}
    ran = await kubevouch("csr", "approve", "csr-w9", "--plan", saved(plan, tmp_path), "--yes")
    assert (ran.code, ran.out) == (0, "csr-w9 approved\n"), ran


async def test_what_the_operator_may_allow_is_said(
    kubevouch: Program, stage: Stage, plan: Plan
) -> None:
    held = await kubevouch("csr", "explain", "csr-w9")
    assert held.code == 1, held
    assert f"if you know that it is so: --allow {NODE}={ADDRESS}" in held.out
    allowed = await kubevouch("csr", "explain", "csr-w9", "--allow", f"{NODE}={ADDRESS}")
    assert allowed.code == 0, allowed
