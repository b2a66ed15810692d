"""A cluster on the wire, and what doctor makes of it: findings, the one cause, the exit code. A case a file."""

import shlex
from dataclasses import replace
from datetime import timedelta
from fnmatch import fnmatchcase

import pytest

from kubevouch.diagnose.catalogue import CATALOGUE, Code, Severity
from kubevouch.diagnose.doctor import MOST_CAUSES, VERIFY, Diagnosis, diagnose
from kubevouch.diagnose.rules.wire import port_states
from kubevouch.evidence.run_holder import ArmedNode, RunHolder
from tests.diagnose.cases import CASES, snapshot
from tests.support.stage import short


@pytest.mark.parametrize("name", CASES)
async def test_doctor_finds_what_is_wrong_and_nothing_else(name: str) -> None:
    expected = CASES[name].expected
    evidence = await snapshot(name)
    found = diagnose(evidence)
    told = _told(found)
    assert sorted(each.code for each in found.findings) == list(expected.finds), told
    assert (found.cause.code if found.cause else None) == expected.cause, told
    if expected.causes is not None:
        assert tuple(each.code for each in found.causes) == expected.causes, told
    assert len(found.causes) <= MOST_CAUSES
    assert found.exit_code(Severity.ERROR) == expected.exit, told
    if expected.next is not None:
        assert found.cause and shlex.join(found.cause.next) == expected.next, told
    for code, subjects in expected.about.items():
        about = [short(s) for each in found.findings if each.code == code for s in each.subjects]
        assert sorted(about) == sorted(subjects), told
    for code, behind in expected.because.items():
        assert [e.because_of for e in found.findings if e.code == code] == [behind], told
    for what, words in expected.says.items():
        texts = [e.title for e in found.findings if e.code == what]
        texts += [found.cause.text] if found.cause and what == "cause" else []
        texts += [found.cause.by_hand] if found.cause and what == "then" else []
        assert any(fnmatchcase(text, words) for text in texts), told
    verified = diagnose(evidence, VERIFY).exit_code(Severity.ERROR)
    assert verified == (expected.exit if expected.verify is None else expected.verify), told


def _told(found: Diagnosis) -> str:
    lines = [f"{e.code} {e.title} {e.subjects} <- {e.because_of}" for e in found.findings]
    return "\n".join([*lines, str(found.cause)])


async def test_verify_shows_a_flag_that_turns_verification_off_with_or_without_effect() -> None:
    for name, code in (
        ("insecure-flag", Code.INSECURE_TLS_WORKAROUND),
        ("ours-with-the-flag-that-nobody-needs", Code.INSECURE_FLAG_WITHOUT_EFFECT),
    ):
        found = diagnose(await snapshot(name), VERIFY)
        assert code in {each.code for each in found.findings}, _told(found)


async def test_what_a_node_serves_may_be_the_seed_of_a_run_that_may_have_armed_it() -> None:
    """Then its CSR is that run's, from whichever machine it was begun."""
    valid, pending = await snapshot("self-signed-by-address"), await snapshot("pending")
    [node] = [each.node for each in valid.served if short(each.node) == "k8s-worker-1"]
    asked = pending.csrs.or_else(())
    [asking] = [each for each in asked if each.spec.username == f"system:node:{node}"]
    alive = RunHolder("abcd on alice@laptop (1)", None, timedelta(seconds=1))
    cut_off = replace(alive, silent=timedelta(minutes=8))
    armed = ArmedNode("abcd", node, valid.at + timedelta(minutes=3))
    superseded, unfinished = {Code.SUPERSEDED_CSR}, {Code.RUN_NOT_FINISHED}
    told = superseded | unfinished | {Code.PENDING_NO_APPROVER}
    for holder, entries, expected in (
        (None, (armed,), unfinished),
        (alive, (), superseded | unfinished),
        (cut_off, (armed,), unfinished),
        (cut_off, (), superseded),
    ):
        seen = replace(
            valid,
            csrs=replace(valid.csrs, value=(asking,)),
            run_holder=replace(valid.run_holder, value=holder),
            armed=entries,
        )
        found = {each.code for each in diagnose(seen).findings}
        assert found & told == expected


async def test_the_ports_of_a_cluster_are_judged_once() -> None:
    """Ten thousand of them take a while, and a copy of the evidence would be another cluster's."""
    port_states.cache_clear()
    diagnose(await snapshot("healthy"))
    assert port_states.cache_info().misses == 1


def test_every_code_has_a_case() -> None:
    """A code of the catalogue that no cluster can show would be a promise that nobody keeps."""
    assert {code for case in CASES.values() for code in case.expected.finds} == set(CATALOGUE)
