"""A node's plan, its seed, the ConfigMap's change, and the words of the prompt: nothing is promised that will not be."""

from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_network

import msgspec
import pytest

from kubevouch.evidence.measured import Doubt, DoubtKind, Measured, Vantage
from kubevouch.evidence.names import ClusterNames
from kubevouch.evidence.snapshot import KubeletConfigMap
from kubevouch.kube.access import LoopbackKubelets
from kubevouch.kube.resources import ConfigMap, Node
from kubevouch.kube.resources.meta import Metadata
from kubevouch.policy.claims import Claim, NameSource, as_address
from kubevouch.policy.node_index import NodeIndex
from kubevouch.policy.reserved import ReservedNames
from kubevouch.rollout.decide.assess import (
    assess,
    is_its_edit,
    plan_config_map,
    readiness_notice,
)
from kubevouch.rollout.decide.change import change_of, change_to_undo
from kubevouch.rollout.decide.entitled import Neighbours, OperatorWord, names_with_word
from kubevouch.rollout.decide.intent import (
    how_it_is_undone,
    in_which_order,
    vouched_for,
    what_comes_back,
    what_is_set_aside,
    what_is_to_be_done,
    what_is_to_be_undone,
    why_not_applicable,
)
from kubevouch.rollout.decide.lineup import Lineup
from kubevouch.rollout.decide.machine import StartFiles
from kubevouch.rollout.decide.plan import (
    ChangeKind,
    ConfigMapPlan,
    DiskChange,
    LeftOut,
    NodePlan,
)
from kubevouch.rollout.decide.run_status import NodeState
from kubevouch.x509 import read_certificates

from .recorded import Recorded, bent, plan_of, planned, recorded, tasked

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
BOOTSTRAP, APPROVE = ChangeKind
AS_PLANNED, BEGUN, WELL = NodeState.UNTOUCHED, NodeState.ARMED, NodeState.DONE
ILL = NodeState.FAILED


# One node's plan.


def alone(seen: Recorded, reserved: ReservedNames) -> Neighbours:
    """A cluster of this one node."""
    return Neighbours(NodeIndex([seen.node]), reserved)


def assessed(
    seen: Recorded, *, csr_waits: bool = False, proven: bool = True, flags: tuple[str, ...] = ()
) -> NodePlan | LeftOut:
    address = next(a.address for a in seen.node.status.addresses if a.type == "InternalIP")
    known = as_address(address)
    assert known is not None
    neighbours = alone(seen, ReservedNames(loopback=frozenset({known})))
    return assess(seen.look(csr_waits=csr_waits, proven=proven), neighbours, flags=flags)


def test_a_node_is_planned_with_what_it_needs_and_what_is_proven() -> None:
    seen = recorded("expired-worker")
    plan = assessed(seen)
    assert isinstance(plan, NodePlan)
    expected = planned(seen, BOOTSTRAP)
    for what in ("node", "uid", "change", "dial", "port", "names", "addresses"):
        assert getattr(plan, what) == getattr(expected, what), what
    assert plan.disk == msgspec.structs.replace(expected.disk, diff=plan.disk.diff)
    assert plan.control_plane is False
    master = assessed(recorded("expired-control-plane"))
    assert isinstance(master, NodePlan)
    assert master.control_plane is True


def test_a_renewal_that_waits_is_planned_for_and_changes_nothing() -> None:
    plan = assessed(recorded("healthy-worker"), csr_waits=True)
    assert isinstance(plan, NodePlan)
    assert plan.change is APPROVE
    assert plan.disk == DiskChange()


EXTERNAL = ("--kubelet-preferred-address-types=ExternalIP",)
ARMED = recorded("healthy-worker", {"runs": [["aaaa", "armed", 10]]})
LEFT_OUT: dict[str, tuple[LeftOut | NodePlan, bool, str]] = {
    "it is well": (assessed(recorded("healthy-worker")), True, "nothing to do"),
    "a run is armed there": (assessed(ARMED), False, "run aaaa"),
    "nothing is proven": (
        assessed(recorded("expired-worker"), proven=False),
        False,
        "--allow k8s-worker-1.internal.example.com=127.",
    ),
    "it has no address that scrapers would dial": (
        assessed(recorded("expired-worker"), flags=EXTERNAL),
        False,
        "no address",
    ),
}


@pytest.mark.parametrize(("found", "is_well", "why"), LEFT_OUT.values(), ids=LEFT_OUT)
def test_a_node_is_left_out_with_its_reason(
    found: LeftOut | NodePlan, is_well: bool, why: str
) -> None:
    assert isinstance(found, LeftOut)
    assert found.is_well is is_well
    assert why in found.reason


def test_a_change_says_whose_machine_it_is_and_what_is_expected_there() -> None:
    seen = recorded("expired-worker")
    plan = planned(seen, BOOTSTRAP)
    change = change_of(plan, seen.survey, "abcd", content=b"new", switch_seconds=240)
    assert change.machine_id == plan.machine_id
    assert change.identity_path == seen.survey.identity.path.decode()
    assert (change.config_sha256, change.content_sha256) == (
        plan.disk.config_sha256,
        plan.disk.content_sha256,
    )
    assert (change.content, change.switch_seconds) == (b"new", 240)
    assert change_to_undo(plan, seen.survey, "abcd").content == b""


@pytest.mark.parametrize(
    ("recording", "ends"),
    [("healthy-worker", True), ("rotated-expired-worker", True), ("expired-worker", False)],
)
def test_a_change_says_until_when_the_pair_set_aside_is_good(recording: str, ends: bool) -> None:
    """A kubelet that asks for certificates starts with kubelet-server-current.pem, and never with kubelet.crt."""
    seen = recorded(recording)
    stored = [
        read_certificates(each.content, "pair")[0]
        for each in seen.survey.certificates
        if each.name == "kubelet-server-current.pem"
    ]
    change = change_of(
        planned(seen, BOOTSTRAP), seen.survey, "abcd", content=b"new", switch_seconds=240
    )
    assert len(stored) == ends
    assert change.former_until == sum(int(each.not_after.timestamp()) for each in stored)


@pytest.mark.parametrize("content", [b"", b"\0" * 4096], ids=["empty", "zeros"])
def test_a_pair_with_which_no_kubelet_starts_is_not_counted_on(
    content: bytes,
) -> None:
    """As a power cut leaves it. The kubelet looks no further than at kubelet-server-current.pem, and ends."""
    seen = recorded("rotated-expired-worker")
    change = msgspec.structs.replace
    files = []
    for each in seen.survey.certificates:
        if each.kind == "file" and each.name.startswith("kubelet-server-2"):
            given = each.path.rpartition(b"/")[0] + b"/kubelet-server."
            files += [change(each, path=given + end) for end in (b"crt", b"key")]
            files.append(change(each, content=content, size=len(content)))
            continue
        files.append(each)
    survey = change(seen.survey, certificates=tuple(files))
    found = change_of(planned(seen, BOOTSTRAP), survey, "abcd", content=b"", switch_seconds=1)
    assert found.former_until == 0


@pytest.mark.parametrize(
    ("planned_without", "seen_without", "kept"),
    [
        ("", b"", True),
        ("/etc/systemd/system cannot be written", b"/etc/systemd/system cannot be written", False),
        ("trust me", b"", True),
        ("", b"units cannot be written", True),
    ],
)
def test_only_the_plan_and_the_node_together_take_the_unit_that_ends_the_run_at_its_next_start(
    planned_without: str, seen_without: bytes, kept: bool
) -> None:
    """The node says whether one can be kept there. Where the plan counts on one, the change is refused without it."""
    seen = recorded("expired-worker")
    survey = msgspec.structs.replace(seen.survey, no_boot_unit=seen_without)
    node = planned(seen, BOOTSTRAP, no_boot_unit=planned_without)
    assert change_of(node, survey, "r", content=b"", switch_seconds=1).boot_unit is kept
    assert change_to_undo(node, survey, "r").boot_unit is kept
    made = assessed(replace(seen, survey=survey))
    assert isinstance(made, NodePlan)
    assert made.disk.no_boot_unit == seen_without.decode()


# The ConfigMap.

TEXT = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n"
OBJECT = ConfigMap(metadata=Metadata(name="kubelet-config", uid="u", resource_version="7"))


def config_map(text: str = TEXT, *, bootstrap: bool = False) -> Measured[KubeletConfigMap]:
    return Measured(Vantage.API_SERVER, NOW, KubeletConfigMap(OBJECT, text, bootstrap))


def test_the_config_map_is_changed_when_every_node_is_planned_for_or_well() -> None:
    seen = recorded("expired-worker")
    node = planned(seen, BOOTSTRAP)
    change, note = plan_config_map(config_map(), [node], [], [seen.node])
    assert change is not None
    assert "serverTLSBootstrap: true" in change.after
    assert change.resource_version == "7"
    assert "join later" in note
    assert is_its_edit(change)


def unread(doubt: Doubt | None = None) -> Measured[KubeletConfigMap]:
    return Measured(Vantage.API_SERVER, NOW, doubt=doubt)


OTHER = recorded("expired-control-plane").node


@pytest.mark.parametrize(
    ("known", "left_out", "others", "note"),
    [
        (config_map(bootstrap=True), [], [], "already has serverTLSBootstrap: true"),
        (config_map(), [LeftOut("x", "it is NotReady")], [], "leaves out 1 node"),
        (config_map(), [], [OTHER], "does not cover 1 node"),
        (config_map("a: [\n"), [], [], "cannot be edited"),
        (unread(), [], [], "kubeadm did not create this cluster: it has no kubelet-config"),
        (unread(Doubt(DoubtKind.FAILED, "forbidden")), [], [], "forbidden"),
    ],
)
def test_the_config_map_is_left_as_it_is_and_why(
    known: Measured[KubeletConfigMap], left_out: list[LeftOut], others: list[Node], note: str
) -> None:
    seen = recorded("expired-worker")
    nodes = [seen.node, *others]
    change, told = plan_config_map(known, [planned(seen, BOOTSTRAP)], left_out, nodes)
    assert change is None
    assert note in told


def test_a_config_map_text_that_somebody_wrote_into_the_plan_is_not_its_edit() -> None:
    good = ConfigMapPlan("kubelet-config", "u", "7", TEXT, TEXT, "")
    assert not is_its_edit(good)
    assert not is_its_edit(msgspec.structs.replace(good, after="authentication: {}\n"))
    assert not is_its_edit(msgspec.structs.replace(good, before="a: [\n"))


# The words.


ONE_CSR = "approve CSRs of 1 node"
GOES_ON = "continue this unfinished run on 1 node"
PUT_BACK = "which this run changed and which is not Ready"
UNDO = "kubevouch undo abcd"


@pytest.mark.parametrize(
    ("nodes", "writes", "said", "undo"),
    [
        ([], False, "", ""),
        ([(BOOTSTRAP, WELL), (APPROVE, WELL)], False, "", ""),
        ([(APPROVE, AS_PLANNED)], False, ONE_CSR, ""),
        (
            [(APPROVE, AS_PLANNED), (APPROVE, AS_PLANNED), (APPROVE, WELL)],
            False,
            "approve CSRs of 2 nodes",
            "",
        ),
        (
            [(BOOTSTRAP, AS_PLANNED)],
            True,
            f"change 1 node, {ONE_CSR} and change ConfigMap kubelet-config",
            UNDO,
        ),
        (
            [(BOOTSTRAP, AS_PLANNED), (BOOTSTRAP, BEGUN), (BOOTSTRAP, WELL)],
            False,
            f"change 1 node, {GOES_ON} and approve CSRs of 2 nodes",
            UNDO,
        ),
        ([(BOOTSTRAP, BEGUN)], False, f"{GOES_ON} and {ONE_CSR}", UNDO),
        (
            [(BOOTSTRAP, BEGUN), (BOOTSTRAP, ILL)],
            False,
            f"undo w1, {PUT_BACK}, {GOES_ON} and {ONE_CSR}",
            UNDO,
        ),
        ([(BOOTSTRAP, ILL)], False, f"undo w0, {PUT_BACK}", ""),
        ([(BOOTSTRAP, WELL)], True, "change ConfigMap kubelet-config", UNDO),
    ],
)
def test_the_prompt_says_what_will_be_done_and_no_more(
    nodes: list[tuple[ChangeKind, NodeState]], writes: bool, said: str, undo: str
) -> None:
    seen = recorded("expired-worker")
    plan = plan_of(
        *(planned(seen, change, node=f"w{i}") for i, (change, _) in enumerate(nodes)),
        config_map=ConfigMapPlan("kubelet-config", "u", "7", "", "", ""),
    )
    found = {f"w{i}": state for i, (_, state) in enumerate(nodes)}
    assert what_is_to_be_done(plan, found, writes_config_map=writes) == said
    assert how_it_is_undone(plan, found, writes_config_map=writes) == undo


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (3, "the others: one node restarts at a time; a node that only waits for metrics does not block the next node"),
        (
            40,
            "the others: 1, 2, 4 nodes restart at once until one fails, but never two if a PodDisruptionBudget or Service cannot spare the pods of both; a node that only waits for metrics does not block the next node",
        ),
    ],
)  # fmt: skip
def test_the_order_says_who_may_be_unproven_beside_whom(count: int, said: str) -> None:
    """As `order.next_turn` does it: while a node waits for its sample the next one restarts."""
    stratum = "Debian 12, kubelet 1.34, amd64"
    lines = in_which_order(Lineup(tuple(tasked(f"w{i}", stratum) for i in range(count)), 60))
    assert lines[-1] == said


def test_the_prompt_names_every_name_and_address_that_is_vouched_for_and_how_it_is_known() -> None:
    """A plan is a file: whoever can write it can write that the operator said something."""
    claims = (
        Claim("10.0.0.5", NameSource.SSH_HOST_KEY, confirmed=True),
        Claim("10.0.0.6", NameSource.OPERATOR),
    )
    node = planned(recorded("expired-worker"), APPROVE, addresses=claims)
    plan = plan_of(node, bent(node, node="well"))
    [line] = vouched_for(plan, {node.node: AS_PLANNED, "well": WELL})
    own = f"{node.node}: the certificate may contain {node.node} (the name of its Node object)"
    proven = "10.0.0.5 (its ssh host key answered there; the operator says so)"
    assert line == f"{own}, {proven}, 10.0.0.6 (the operator says so)"


def test_a_plan_that_leaves_out_every_node_is_not_applicable() -> None:
    well = LeftOut("w1", "nothing to do", is_well=True)
    ill = [LeftOut(f"w{i}", "it is NotReady") for i in range(5)]
    seen = recorded("expired-worker")
    assert why_not_applicable(plan_of(left_out=(well,))) == ""
    assert why_not_applicable(plan_of()) == ""
    assert why_not_applicable(plan_of(planned(seen, APPROVE), left_out=(ill[0],))) == ""
    why = why_not_applicable(plan_of(left_out=(well, *ill)))
    assert "leaves out 5 nodes (w0: it is NotReady" in why
    assert "and 2 more" in why


def test_an_undo_names_what_it_puts_back() -> None:
    seen = recorded("expired-worker")
    change = ConfigMapPlan("kubelet-config", "u", "7", "", "", "")
    assert what_is_to_be_undone(plan_of(planned(seen, APPROVE))) == ""
    assert what_is_to_be_undone(plan_of(planned(seen, BOOTSTRAP))) == (
        "undo what run abcd has changed on k8s-worker-1.internal.example.com"
    )
    assert what_is_to_be_undone(plan_of(planned(seen, BOOTSTRAP), config_map=change)) == (
        "undo what run abcd has changed in ConfigMap kubelet-config and on k8s-worker-1.internal.example.com"
    )
    assert what_comes_back(plan_of(planned(seen, APPROVE), config_map=change)) == ""
    assert "expired ones" in what_comes_back(plan_of(planned(seen, BOOTSTRAP)))


def test_where_an_undo_sets_aside_what_kubelets_got_is_said_of_undone_nodes() -> None:
    one, other = (planned(recorded("expired-worker"), BOOTSTRAP, node=each) for each in ("a", "b"))
    plan = plan_of(one, bent(other, root="/data/kubelet"), run="abcd")
    first = f"{one.disk.root}/.kubevouch/abcd/strays"
    assert what_is_set_aside(plan, {"a"}).startswith(f"{first} on each undone node: ")
    both = f"{first} or /data/kubelet/.kubevouch/abcd/strays on each undone node"
    assert what_is_set_aside(plan, {"a", "b"}).startswith(both)
    assert "you may delete them" in what_is_set_aside(plan, {"a"})
    assert what_is_set_aside(plan, set()) == ""


# What the operator says.

NOTHING_KNOWN = ClusterNames({}, {}, {}, {}, (), (), (), (), LoopbackKubelets())


def test_names_that_the_operator_and_the_kubelets_tell_are_the_clusters_too() -> None:
    seen = recorded("expired-worker").survey
    silent = msgspec.structs.replace(seen, config=())
    broken = recorded("expired-worker", {"config": "a: [\n"}).survey
    network = ip_network("10.96.0.0/12")
    word = OperatorWord(domains=("corp.example",), service_networks=(network,))
    kubelets = [StartFiles(each).cluster_domain for each in (seen, silent, broken)]
    found = names_with_word(NOTHING_KNOWN, word, kubelets)
    assert found.domains == ("corp.example",)
    assert found.service_networks == (network,)
    assert names_with_word(NOTHING_KNOWN, OperatorWord(), kubelets).domains == ("cluster.local",)
    told = replace(NOTHING_KNOWN, domains=("cluster.example",))
    assert names_with_word(told, OperatorWord(), kubelets).domains == ("cluster.example",)
    assert names_with_word(NOTHING_KNOWN, OperatorWord(), []).domains == ()


@pytest.mark.parametrize(
    ("version", "is_said"),
    [
        ("v1.34.4", True),
        ("v1.29.9+k3s1", True),
        ("v1.35.0", False),
        ("v1.100.0", False),
        ("v2.0.0", False),
        ("", False),
    ],
)
def test_only_kubelets_before_1_35_forget_which_pods_were_ready(
    version: str, *, is_said: bool
) -> None:
    node = planned(recorded("expired-worker"), ChangeKind.BOOTSTRAP, kubelet_version=version)
    assert bool(readiness_notice([node])) is is_said
    approved = msgspec.structs.replace(node, change=ChangeKind.APPROVE)
    assert readiness_notice([approved]) == ()
