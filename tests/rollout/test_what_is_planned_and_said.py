"""A node's plan, its seed, the ConfigMap's change, and the words of the prompt: nothing is promised that will not be."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

import msgspec
import pytest

from kubevouch.errors import ExitCode
from kubevouch.evidence.measured import Doubt, DoubtKind, Measured, Vantage
from kubevouch.evidence.names import ClusterNames
from kubevouch.evidence.snapshot import KubeletConfigMap
from kubevouch.kube.access import LoopbackKubelets
from kubevouch.kube.resources import (
    CertificateSigningRequest,
    ConfigMap,
    CsrCondition,
)
from kubevouch.kube.resources.certificates import CsrSpec, CsrStatus
from kubevouch.kube.resources.meta import ManagedMetadata, Metadata
from kubevouch.policy.claims import Claim, NameSource, as_address
from kubevouch.policy.reserved import ReservedNames
from kubevouch.rollout.decide.assess import NodeFacts, assess, waiting_nodes
from kubevouch.rollout.decide.change import change_of, change_to_undo, seed_kind, seed_of
from kubevouch.rollout.decide.intent import (
    how_it_is_undone,
    vouched_for,
    what_is_to_be_done,
    what_is_to_be_undone,
    why_not_applicable,
)
from kubevouch.rollout.decide.operator_word import OperatorWord, names_with_word
from kubevouch.rollout.decide.plan import (
    ChangeKind,
    ConfigMapPlan,
    LeftOut,
    NodePlan,
    SeedKind,
)
from kubevouch.rollout.decide.plan_config_map import is_its_edit, plan_config_map
from kubevouch.rollout.decide.recheck import FoundState
from kubevouch.rollout.decide.result import NodeOutcome, NodeResult, RunResult
from kubevouch.rollout.decide.timeouts import RolloutTimeouts
from kubevouch.x509 import CertificateKind, classify, read_certificates
from tests.support.self_signed import kubelet_self_signed

from .recorded import Recorded, plan_of, planned, recorded

BOOTSTRAP, APPROVE = ChangeKind
AS_PLANNED, BEGUN, WELL = FoundState.AS_PLANNED, FoundState.BEGUN, FoundState.WELL


# One node's plan.


def assessed(seen: Recorded, *, csr_waits: bool = False, proven: bool = True) -> NodePlan | LeftOut:
    address = next(a.address for a in seen.node.status.addresses if a.type == "InternalIP")
    known = as_address(address)
    assert known is not None
    facts = NodeFacts(
        node=seen.node,
        machine=seen.facts(csr_waits=csr_waits),
        host_key="ssh-ed25519 SHA256:key",
        confirmed={address: NameSource.SSH_HOST_KEY} if proven else {},
        accepted=(),
        flags=(),
    )
    return assess(facts, (seen.node,), ReservedNames(loopback=frozenset({known})))


def test_a_node_is_planned_with_what_it_needs_and_what_is_proven() -> None:
    seen = recorded("expired-worker")
    plan = assessed(seen)
    assert isinstance(plan, NodePlan)
    expected = planned(seen, BOOTSTRAP)
    for what in ("node", "uid", "change", "dial", "port", "names", "addresses", "config_sha256"):
        assert getattr(plan, what) == getattr(expected, what), what
    assert plan.content_sha256 == expected.content_sha256
    assert plan.seed is SeedKind.FRESH  # its own has expired
    assert "refuses connections for about a second" in plan.interruption
    assert plan.control_plane is False


def test_a_control_plane_is_planned_as_one() -> None:
    plan = assessed(recorded("expired-control-plane"))
    assert isinstance(plan, NodePlan)
    assert plan.control_plane is True


def test_a_renewal_that_waits_is_planned_for_and_changes_nothing() -> None:
    plan = assessed(recorded("healthy-worker"), csr_waits=True)
    assert isinstance(plan, NodePlan)
    assert plan.change is APPROVE
    assert plan.interruption == "none: nothing is restarted"
    assert (plan.config, plan.diff) == ("", "")


def test_nodes_are_left_out_with_their_reason() -> None:
    well = assessed(recorded("healthy-worker"))
    assert isinstance(well, LeftOut)
    assert well.is_well
    armed = assessed(recorded("healthy-worker", {"runs": [["aaaa", "armed", 10]]}))
    assert isinstance(armed, LeftOut)
    assert not armed.is_well
    assert "run aaaa" in armed.reason
    unproven = assessed(recorded("expired-worker"), proven=False)
    assert isinstance(unproven, LeftOut)
    assert "--allow k8s-worker-1.internal.example.com=127." in unproven.reason


def test_a_node_without_an_address_is_left_out() -> None:
    seen = recorded("expired-worker")
    status = msgspec.structs.replace(seen.node.status, addresses=())
    facts = NodeFacts(
        node=msgspec.structs.replace(seen.node, status=status),
        machine=seen.facts(),
        host_key="",
        confirmed={},
        accepted=(),
        flags=(),
    )
    assert isinstance(assess(facts, (seen.node,), ReservedNames()), LeftOut)


def csr(name: str, user: str, *, decided: bool = False) -> CertificateSigningRequest:
    conditions = (CsrCondition(type="Approved", status="True"),) if decided else ()
    return CertificateSigningRequest(
        metadata=ManagedMetadata(name=name),
        spec=CsrSpec(username=user),
        status=CsrStatus(conditions=conditions),
    )


def test_a_node_waits_if_its_newest_csr_is_undecided() -> None:
    found = waiting_nodes(
        [
            csr("1", "system:node:a", decided=True),
            csr("2", "system:node:a"),
            csr("3", "system:node:b"),
            csr("4", "system:node:b", decided=True),
            csr("5", "somebody"),
        ]
    )
    assert found == {"a"}


# The seed.

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
LIFE = timedelta(hours=25)


def with_own_pair(starts: datetime, ends: datetime, *, key: bool = True) -> Recorded:
    seen = recorded("expired-worker")
    pair = kubelet_self_signed("k8s-worker-1", starts, ends)
    files = [
        msgspec.structs.replace(each, content=pair.chain) if each.name == "kubelet.crt" else each
        for each in seen.survey.certificates
        if key or each.name != "kubelet.key"
    ]
    return replace(seen, survey=msgspec.structs.replace(seen.survey, certificates=tuple(files)))


@pytest.mark.parametrize(
    ("starts", "ends", "kind"),
    [
        (NOW - timedelta(days=1), NOW + LIFE + timedelta(seconds=1), SeedKind.COPY),
        (NOW - timedelta(days=1), NOW + LIFE - timedelta(seconds=1), SeedKind.FRESH),
        (NOW - timedelta(days=9), NOW - timedelta(days=1), SeedKind.FRESH),
        (NOW + timedelta(hours=1), NOW + timedelta(days=99), SeedKind.FRESH),
    ],
)
def test_the_nodes_own_pair_is_kept_only_if_it_outlives_the_change_by_far(
    starts: datetime, ends: datetime, kind: SeedKind
) -> None:
    assert seed_kind(with_own_pair(starts, ends).survey, NOW, LIFE) is kind


def test_a_pair_without_its_key_or_that_is_no_kubelets_is_no_seed() -> None:
    good = (NOW - timedelta(days=1), NOW + timedelta(days=99))
    assert seed_kind(with_own_pair(*good, key=False).survey, NOW, LIFE) is SeedKind.FRESH
    seen = recorded("expired-worker")
    for content in (b"", recorded("healthy-worker").served[0]):
        files = tuple(
            msgspec.structs.replace(each, content=content) if each.name == "kubelet.crt" else each
            for each in seen.survey.certificates
        )
        survey = msgspec.structs.replace(seen.survey, certificates=files)
        assert seed_kind(survey, seen.at, LIFE) is SeedKind.FRESH


@pytest.mark.parametrize("gates", [1.0, 180.0, 48 * 3600.0])
def test_a_seed_outlives_the_switch_by_a_day_however_long_the_gates_are(gates: float) -> None:
    timeouts = RolloutTimeouts(gates)
    seen = recorded("expired-worker")
    made = seed_of(
        planned(seen, BOOTSTRAP), seen.survey, now=NOW, life=timeouts.seed_life, serials=(1, 2)
    )
    assert made is not None
    leaf = read_certificates(made.chain_pem, "seed")[0]
    assert classify(leaf) is CertificateKind.KUBELET_SELF_SIGNED
    assert leaf.not_before <= NOW
    assert leaf.not_after >= NOW + timedelta(seconds=timeouts.switch) + timedelta(hours=24)
    assert "seed" in repr(made)
    assert b"KEY" not in repr(made).encode()


def test_a_copied_seed_carries_no_key() -> None:
    seen = with_own_pair(NOW - timedelta(days=1), NOW + timedelta(days=99))
    plan = planned(seen, BOOTSTRAP)
    assert seed_of(plan, seen.survey, now=NOW, life=LIFE, serials=(1, 2)) is None


def test_a_change_says_whose_machine_it_is_and_what_is_expected_there() -> None:
    seen = recorded("expired-worker")
    plan = planned(seen, BOOTSTRAP)
    change = change_of(plan, seen.survey, "abcd", content=b"new", switch_seconds=240)
    assert change.machine_id == plan.machine_id
    assert change.identity_path == seen.survey.identity.path.decode()
    assert (change.config_sha256, change.content_sha256) == (
        plan.config_sha256,
        plan.content_sha256,
    )
    assert (change.content, change.switch_seconds) == (b"new", 240)
    assert change_to_undo(plan, seen.survey, "abcd").content == b""


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
    assert change.after == TEXT + "serverTLSBootstrap: true\n" or (
        "serverTLSBootstrap: true" in change.after
    )
    assert change.resource_version == "7"
    assert "later joiners" in note
    assert is_its_edit(change)


@pytest.mark.parametrize(
    ("known", "left_out", "note"),
    [
        (config_map(bootstrap=True), [], "has serverTLSBootstrap: true already"),
        (config_map(), [LeftOut("x", "it is NotReady")], "leaves out 1 node"),
        (config_map("a: [\n"), [], "cannot be edited"),
        (
            Measured(Vantage.API_SERVER, NOW, None),
            [],
            "there is none: kubeadm did not make this cluster",
        ),
        (
            Measured(Vantage.API_SERVER, NOW, doubt=Doubt(DoubtKind.FAILED, "forbidden")),
            [],
            "forbidden",
        ),
    ],
)
def test_the_config_map_is_left_as_it_is_and_why(
    known: Measured[KubeletConfigMap], left_out: list[LeftOut], note: str
) -> None:
    seen = recorded("expired-worker")
    change, told = plan_config_map(known, [planned(seen, BOOTSTRAP)], left_out, [seen.node])
    assert change is None
    assert note in told


def test_the_config_map_waits_for_nodes_that_the_plan_does_not_look_at() -> None:
    seen, other = recorded("expired-worker"), recorded("expired-control-plane")
    change, told = plan_config_map(
        config_map(), [planned(seen, BOOTSTRAP)], [], [seen.node, other.node]
    )
    assert change is None
    assert "does not look at 1 node" in told


def test_a_config_map_text_that_somebody_wrote_into_the_plan_is_not_its_edit() -> None:
    good = ConfigMapPlan("kubelet-config", "u", "7", TEXT, TEXT, "")
    assert not is_its_edit(good)
    assert not is_its_edit(msgspec.structs.replace(good, after="authentication: {}\n"))
    assert not is_its_edit(msgspec.structs.replace(good, before="a: [\n"))


# The words.


@pytest.mark.parametrize(
    ("nodes", "writes", "said", "undo"),
    [
        ([], False, "", ""),
        ([(BOOTSTRAP, WELL), (APPROVE, WELL)], False, "", ""),
        ([(APPROVE, AS_PLANNED)], False, "approve one CSR of its node", ""),
        (
            [(APPROVE, AS_PLANNED), (APPROVE, AS_PLANNED), (APPROVE, WELL)],
            False,
            "approve one CSR of each of 2 nodes",
            "",
        ),
        (
            [(BOOTSTRAP, AS_PLANNED)],
            True,
            "change 1 node, approve one CSR of its node and change ConfigMap kubelet-config",
            "kubevouch undo abcd",
        ),
        (
            [(BOOTSTRAP, AS_PLANNED), (BOOTSTRAP, BEGUN), (BOOTSTRAP, WELL)],
            False,
            "change 1 node, go on with this run, which is not finished, on 1 node and approve one CSR of each of 2 nodes",
            "kubevouch undo abcd",
        ),
        (
            [(BOOTSTRAP, BEGUN)],
            False,
            "go on with this run, which is not finished, on 1 node and approve one CSR of its node",
            "kubevouch undo abcd",
        ),
        ([(BOOTSTRAP, WELL)], True, "change ConfigMap kubelet-config", ""),
    ],
)
def test_the_prompt_says_what_will_be_done_and_no_more(
    nodes: list[tuple[ChangeKind, FoundState]], writes: bool, said: str, undo: str
) -> None:
    seen = recorded("expired-worker")
    plan = plan_of(
        *(planned(seen, change, node=f"w{i}") for i, (change, _) in enumerate(nodes)),
        config_map=ConfigMapPlan("kubelet-config", "u", "7", "", "", ""),
    )
    found = {f"w{i}": state for i, (_, state) in enumerate(nodes)}
    assert what_is_to_be_done(plan, found, writes_config_map=writes) == said
    assert how_it_is_undone(plan, found) == undo


def test_the_prompt_names_every_name_and_address_that_is_vouched_for() -> None:
    seen = recorded("expired-worker")
    first, second = planned(seen, APPROVE), planned(seen, APPROVE, node="well")
    [line] = vouched_for(plan_of(first, second), {first.node: AS_PLANNED, "well": WELL})
    assert line.startswith("k8s-worker-1.internal.example.com may have k8s-worker-1")
    assert "(its ssh host key answered there)" in line


def test_the_prompt_shows_what_the_plan_has_by_the_operators_word() -> None:
    """A plan is a file: whoever can write it can write that the operator said something."""
    claims = (
        Claim("10.0.0.5", NameSource.SSH_HOST_KEY, confirmed=True),
        Claim("10.0.0.6", NameSource.OPERATOR),
    )
    node = planned(recorded("expired-worker"), APPROVE, addresses=claims)
    [line] = vouched_for(plan_of(node), {node.node: AS_PLANNED})
    assert "10.0.0.5 (its ssh host key answered there; the operator says so)" in line
    assert "10.0.0.6 (the operator says so)" in line


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
        "put 1 node of run abcd back to what they were"
    )
    assert what_is_to_be_undone(plan_of(planned(seen, BOOTSTRAP), config_map=change)) == (
        "put ConfigMap kubelet-config and 1 node of run abcd back to what they were"
    )


def test_nodes_left_out_are_3_once_the_rest_is_done_and_never_hide_worse() -> None:
    left_out = (LeftOut("w2", "it is NotReady"),)
    done, undone = NodeResult("w1", NodeOutcome.DONE), NodeResult("w1", NodeOutcome.UNDONE)
    assert RunResult("r", (done,), "", left_out=left_out).exit_code is ExitCode.COULD_NOT_TELL
    assert RunResult("r", (undone,), "", left_out=left_out).exit_code is ExitCode.UNDONE
    assert RunResult("r", (done,), "").exit_code is ExitCode.OK


def test_a_node_without_an_address_that_scrapers_would_dial_is_left_out() -> None:
    seen = recorded("expired-worker")
    [address] = [a.address for a in seen.node.status.addresses if a.type == "InternalIP"]
    known = as_address(address)
    assert known is not None
    facts = NodeFacts(
        node=seen.node,
        machine=seen.facts(),
        host_key="",
        confirmed={address: NameSource.SSH_HOST_KEY},
        accepted=(),
        flags=("--kubelet-preferred-address-types=ExternalIP",),
    )
    found = assess(facts, (seen.node,), ReservedNames(loopback=frozenset({known})))
    assert isinstance(found, LeftOut)
    assert "no address" in found.reason


# What the operator says.

NOTHING_KNOWN = ClusterNames({}, {}, {}, {}, (), (), (), (), LoopbackKubelets())


def test_names_that_the_operator_and_the_kubelets_tell_are_the_clusters_too() -> None:
    seen = recorded("expired-worker").survey
    silent = msgspec.structs.replace(seen, config=())
    broken = recorded("expired-worker", {"config": "a: [\n"}).survey
    network = ip_network("10.96.0.0/12")
    word = OperatorWord(domains=("corp.example",), service_networks=(network,))
    found = names_with_word(NOTHING_KNOWN, word, [seen, silent, broken])
    assert found.domains == ("corp.example", "cluster.local")
    assert found.service_networks == (network,)
    assert names_with_word(NOTHING_KNOWN, OperatorWord(), []).domains == ()
