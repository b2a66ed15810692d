"""Facts are taken away from what was seen of every case: nothing new may be found then, and nothing be declared well."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubevouch.diagnose.catalogue import Severity
from kubevouch.diagnose.doctor import DOCTOR, VERIFY, Diagnosis, diagnose
from kubevouch.diagnose.rules import Rule
from kubevouch.errors import ExitCode
from kubevouch.evidence.measured import Doubt, DoubtKind, Measured
from kubevouch.evidence.snapshot import Evidence, Served
from kubevouch.kubelet.dial_result import DialResult
from kubevouch.tls import FailureKind, HandshakeFailure
from tests.diagnose.cases import CASES, SEEN, seen_on, snapshot
from tests.support.apiservers import MOMENT
from tests.support.clocks import WoundClock
from tests.support.rows import only_long
from tests.support.stage import staged
from tests.support.unhurried import examples

Taking = Callable[[Evidence, Doubt], Evidence]


def _unread(measured: Measured[Any], doubt: Doubt) -> Measured[Any]:
    return replace(measured, value=None, doubt=measured.doubt or doubt)


def _taking(*names: str, of: str = "") -> Taking:
    """Takes these facts of the evidence away, or of what this field of it holds."""

    def take(evidence: Evidence, doubt: Doubt) -> Evidence:
        holder = getattr(evidence, of) if of else evidence
        gone: Any = {name: _unread(getattr(holder, name), doubt) for name in names}
        less: Any = replace(holder, **gone)
        whole: dict[str, Any] = {of: less}
        return replace(evidence, **whole) if of else less

    return take


def _without_trust(evidence: Evidence, doubt: Doubt) -> Evidence:
    served = tuple(replace(each, verdict=None) for each in evidence.served)
    return replace(evidence, trust=_unread(evidence.trust, doubt), served=served)


def _without_nodes(evidence: Evidence, doubt: Doubt) -> Evidence:
    """Whom nobody can list nobody dials."""
    return replace(evidence, nodes=_unread(evidence.nodes, doubt), served=())


def _without_requests(evidence: Evidence, doubt: Doubt) -> Evidence:
    return replace(evidence, csrs=_unread(evidence.csrs, doubt), names=None)


def _without_services(evidence: Evidence, doubt: Doubt) -> Evidence:
    if evidence.names is None:
        return evidence
    return replace(evidence, names=replace(evidence.names, virtual={}, doubts=(doubt,)))


def _without_our_configuration(evidence: Evidence, doubt: Doubt) -> Evidence:
    ours = evidence.our_approver.value
    if ours is None:
        return evidence
    unread = replace(ours, configuration=None, configuration_doubt=doubt)
    return replace(evidence, our_approver=replace(evidence.our_approver, value=unread))


def _not_dialled(index: int) -> Taking:
    def take(evidence: Evidence, _: Doubt) -> Evidence:
        served = list(evidence.served)
        if index < len(served):
            served[index] = _out_of_files(served[index])
        return replace(evidence, served=tuple(served))

    return take


def _out_of_files(served: Served) -> Served:
    failure = HandshakeFailure(FailureKind.OUR_SIDE, "too many open files")
    dialled = DialResult(served.dialled.target, served.dialled.at, 0.0, failure=failure)
    return replace(served, dialled=dialled, verdict=None)


FACTS: dict[str, Taking] = {
    "uid": _taking("uid", of="cluster"),
    "trust": _without_trust,
    "nodes": _without_nodes,
    "requests": _without_requests,
    "services": _without_services,
    "our_configuration": _without_our_configuration,
    "api_service": _taking("api_service", "service", of="metrics"),
    "service": _taking("service", of="metrics"),
    "deployment": _taking("deployment", of="metrics"),
    "pods": _taking("pods", "failures", "denials", of="metrics"),
    "failures": _taking("failures", "denials", of="metrics"),
    "node_metrics": _taking("node_metrics", of="metrics"),
    **{
        each: _taking(each)
        for each in (
            "kubelet_config",
            "approvers",
            "api_server_flags",
            "leases",
            "bootstrap_tokens",
        )
    },
    **{f"port {index}": _not_dialled(index) for index in range(4)},
}
DOUBTS = (
    Doubt(DoubtKind.NOT_ALLOWED, "forbidden", ("list things",)),
    Doubt(DoubtKind.FAILED, "etcdserver: request timed out"),
)


@pytest.fixture(scope="module")
def everything() -> None:
    for name in CASES:
        asyncio.run(snapshot(name))


@cache
def _of_all_facts(name: str, rules: tuple[Rule, ...]) -> Diagnosis:
    return diagnose(SEEN[name], rules)


@pytest.mark.usefixtures("everything")
@examples(600)
@given(
    name=st.sampled_from(sorted(CASES)),
    taken=st.sets(st.sampled_from(sorted(FACTS)), min_size=1),
    doubt=st.sampled_from(DOUBTS),
    rules=st.sampled_from((DOCTOR, VERIFY)),
)
def test_a_fact_less_never_makes_a_finding_more(
    name: str, taken: set[str], doubt: Doubt, rules: tuple[Rule, ...]
) -> None:
    less = SEEN[name]
    for fact in taken:
        less = FACTS[fact](less, doubt)
    before, after = _of_all_facts(name, rules), diagnose(less, rules)
    known, told = _sure(before.findings), _sure(after.findings)
    assert told <= known, f"without {sorted(taken)}: {sorted(told - known)}"
    if before.exit_code(Severity.ERROR) is not ExitCode.OK:
        assert after.exit_code(Severity.ERROR) is not ExitCode.OK, f"without {sorted(taken)}"


@pytest.mark.parametrize("name", CASES)
async def test_each_fact_alone_never_makes_a_finding_more(name: str) -> None:
    evidence = await snapshot(name)
    known = _sure(diagnose(evidence).findings)
    for fact, take in FACTS.items():
        told = _sure(diagnose(take(evidence, DOUBTS[0])).findings)
        assert told <= known, f"without {fact}: {sorted(told - known)}"


def _sure(findings: tuple[Any, ...]) -> set[tuple[str, str]]:
    """(code, subject) of all findings about the cluster."""
    return {
        (each.code, subject)
        for each in findings
        if not each.code.startswith("KV9")
        for subject in (*each.subjects, "")
    }


@pytest.mark.parametrize("fact", [each for each in FACTS if each not in ("failures", "services")])
@pytest.mark.parametrize("doubt", DOUBTS, ids=["not-allowed", "failed"])
async def test_what_could_not_be_read_is_said(fact: str, doubt: Doubt) -> None:
    """`services` are only asked for while a request waits; a log that cannot be read is told by the wire."""
    ours = fact == "our_configuration"
    evidence = await snapshot("our-approver-is-well" if ours else "healthy-with-approver")
    for rules in (DOCTOR, VERIFY):
        found = diagnose(FACTS[fact](evidence, doubt), rules)
        assert found.exit_code(Severity.ERROR) is ExitCode.COULD_NOT_TELL


RIGHTS = (
    "get namespaces",
    "get configmaps",
    "get services",
    "get apiservices.*",
    "get pods/log",
    "list pods",
    "list nodes",
    "list nodes.metrics.k8s.io",
    "list leases.*",
    "list deployments.apps",
    "list services",
    "list endpointslices.*",
    "list certificatesigningrequests.*",
    "list clusterroles.*",
    "list clusterrolebindings.*",
)
# Cases in which a guess in place of an answer would show: what metrics-server dials, who approves, whose address it is.
GUESSABLE = (
    "metrics-server-dials-names",
    "approver-holds",
    "request-for-another-nodes-address",
    only_long("expired-seen-from-a-laptop"),
    only_long("our-approver-cannot-read-its-configuration"),
)


@pytest.mark.parametrize("name", GUESSABLE)
async def test_a_right_less_never_makes_a_finding_more(name: str) -> None:
    before, clock = diagnose(await snapshot(name)), WoundClock(MOMENT)
    async with staged(CASES[name], clock) as stage:
        for right in RIGHTS:
            stage.deny(right)
            after = diagnose(await seen_on(stage, CASES[name], clock))
            known, told = _sure(before.findings), _sure(after.findings)
            assert told <= known, f"without {right}: {sorted(told - known)}"
            if before.exit_code(Severity.ERROR) is not ExitCode.OK:
                assert after.exit_code(Severity.ERROR) is not ExitCode.OK, f"without {right}"
