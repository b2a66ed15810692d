"""What a pod's status says to whoever waits for its answer, and what a pod's answer is worth."""

from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from kubevouch.kube.resources import CertificateSigningRequest, Node, Pod
from kubevouch.policy.claims import NameSource
from kubevouch.rollout.decide.by_pod import WrittenNode, asked_for_again, not_the_pinned_one
from kubevouch.rollout.decide.plan import PodPlace
from kubevouch.rollout.decide.pod import (
    PodLook,
    PodState,
    changed_by_admission,
    is_left_behind,
    look_at,
    pod_body,
    verdict,
)
from tests.support.authority import Authority

DIGEST = "@sha256:" + "ab" * 32
PLACE = PodPlace("kube-system", "registry.example.com/kubevouch" + DIGEST)
NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)


def _pod(status: dict[str, Any], **metadata: object) -> Pod:
    body = pod_body(PLACE, "kubevouch-rollout-1", node="n", run="abcd", script="x", seconds=60)
    body["metadata"] |= metadata
    return msgspec.convert({**body, "status": status}, Pod)


def _ended(message: str, **more: object) -> dict[str, Any]:
    return {"terminated": {"exitCode": 0, "reason": "Completed", "message": message, **more}}


def _status(script: dict[str, Any], phase: str = "Pending", **others: Any) -> dict[str, Any]:
    rest = [{"name": f"answer-{name[1:]}", "state": state} for name, state in others.items()]
    first = [{"name": "script", "state": script}]
    return {"phase": phase, "initContainerStatuses": first, "containerStatuses": rest}


WAITS, RUNS, ANSWERED = PodState.WAITING, PodState.RUNNING, PodState.ANSWERED
REFUSED, LOST = PodState.REFUSED, PodState.LOST
PULLS = {"waiting": {"reason": "ErrImagePull", "message": "rpc error"}}
IN_VAIN = {"waiting": {"reason": "ErrImageNeverPull", "message": ""}}
NEVER = _ended("runc create failed", reason="StartError", exitCode=128)
UNKNOWN = _ended(
    "The container could not be located", reason="ContainerStatusUnknown", exitCode=137
)
KILLED = _ended("", reason="OOMKilled", exitCode=137)
FAILED = {"phase": "Failed", "reason": "Evicted", "message": "The node was low on memory."}
LOOKS: dict[str, tuple[dict[str, Any], PodState, str]] = {
    "nobody has looked at it": ({}, WAITS, "the kubelet has not started the pod"),
    "its image is pulled again": (_status(PULLS), WAITS, "ErrImagePull rpc error"),
    "its image is not there": (_status(IN_VAIN), WAITS, "ErrImageNeverPull"),
    "it runs": (_status({"running": {}}), RUNS, "the script is running"),
    "it has answered": (_status(_ended("1/1 abc")), ANSWERED, ""),
    "the second message is to come": (
        _status(_ended("1/2 abc")),
        RUNS,
        "container answer-2 has not answered",
    ),
    "both messages are there": (_status(_ended("1/2 a"), _2=_ended("2/2 b")), ANSWERED, ""),
    "the second never comes": (
        _status(_ended("1/2 a"), "Failed"),
        LOST,
        "before container answer-2",
    ),
    "it could not be started": (_status(NEVER), REFUSED, "StartError, exit code 128 runc create"),
    "nobody knows what became of it": (_status(UNKNOWN), LOST, "ContainerStatusUnknown"),
    "it was killed": (_status(KILLED), LOST, "OOMKilled, exit code 137"),
    "it says something else": (_status(_ended("hello")), LOST, "Completed, exit code 0 hello"),
    "the kubelet takes no more": (FAILED, REFUSED, "Evicted: The node was low on memory."),
    "its time ran out while it ran": (
        {**_status({"running": {}}), **FAILED, "reason": "DeadlineExceeded"},
        LOST,
        "DeadlineExceeded",
    ),
}


@pytest.mark.parametrize("name", LOOKS)
def test_what_a_status_says(name: str) -> None:
    status, state, why = LOOKS[name]
    look = look_at(_pod(status))
    assert look.state is state
    assert why in look.why
    assert look.is_final is (state not in (WAITS, RUNS))


def test_only_what_comes_by_itself_is_waited_for() -> None:
    assert look_at(_pod(_status(PULLS))).is_worth_waiting
    assert look_at(_pod(_status({"running": {}}))).is_worth_waiting
    assert not look_at(_pod(_status(IN_VAIN))).is_worth_waiting
    assert not look_at(_pod(_status(KILLED))).is_worth_waiting


def test_a_text_of_the_node_is_one_short_line() -> None:
    look = look_at(_pod(_status(_ended("a\nb\x1b[2J" + "x" * 5000))))
    assert look.why.isprintable()
    assert len(look.why) < 600


@pytest.mark.parametrize(
    ("look", "gone", "state"),
    [
        (PodLook(WAITS, "w"), True, REFUSED),
        (PodLook(WAITS, "w"), False, LOST),
        (PodLook(RUNS, "r"), True, LOST),
        (PodLook(RUNS, "r"), False, LOST),
        (PodLook(ANSWERED, messages=("1/1 a",)), False, ANSWERED),
        (PodLook(REFUSED, "no"), False, REFUSED),
    ],
)
def test_that_nothing_ran_is_said_only_of_what_surely_has_not(
    look: PodLook, gone: bool, state: PodState
) -> None:
    assert verdict(look, gone=gone, seconds=60)[0] is state


def test_the_pod_has_no_more_rights_than_its_script_needs_and_ends_by_itself() -> None:
    body = pod_body(PLACE, "kubevouch-rollout-1", node="n", run="abcd", script="x", seconds=60)
    spec = body["spec"]
    (script,) = spec["initContainers"]
    assert script["securityContext"]["privileged"]
    for each in spec["containers"]:
        assert each["securityContext"]["runAsNonRoot"]
        assert each["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        assert "env" not in each
    assert spec["nodeName"] == "n"
    assert spec["restartPolicy"] == "Never"
    assert spec["activeDeadlineSeconds"] == 120
    assert spec["automountServiceAccountToken"] is False
    assert all("hostPath" not in each for each in spec["volumes"])
    assert len({*map(str, (script["name"], *(each["name"] for each in spec["containers"])))}) == 3


def test_what_a_webhook_may_and_may_not_make_of_it() -> None:
    assert changed_by_admission(_pod({}), PLACE) == ""
    mirror = PodPlace("kube-system", "mirror.example.com/x/kubevouch" + DIGEST)
    assert changed_by_admission(_pod({}), mirror) == ""
    other = PodPlace("kube-system", "registry.example.com/kubevouch@sha256:" + "cd" * 32)
    assert "another image" in changed_by_admission(_pod({}), other)
    body = pod_body(PLACE, "kubevouch-rollout-1", node="n", run="abcd", script="x", seconds=60)
    body["spec"]["containers"].append({"name": "istio-proxy", "image": PLACE.image})
    with_more = changed_by_admission(msgspec.convert(body, Pod), PLACE)
    assert "added container istio-proxy" in with_more


def _at(seconds: int) -> str:
    return (NOW - timedelta(seconds=seconds)).isoformat()


_LAST = "9999-12-31T23:59:59Z"
LEFT: dict[str, tuple[dict[str, Any], int, bool]] = {
    "runs, in its time": (_status({"running": {}}), 179, False),
    "runs, past its time": (_status({"running": {}}), 181, True),
    "ended a moment ago": (_status(_ended("", finishedAt=_at(30)), "Succeeded"), 170, False),
    "ended a while ago": (_status(_ended("", finishedAt=_at(61)), "Succeeded"), 170, True),
    "ended, no time told": (_status(_ended(""), "Failed"), 61, True),
    "ends in 9999, says its kubelet": (_status(_ended("", finishedAt=_LAST), "Failed"), 179, False),
    "the same, past its time": (_status(_ended("", finishedAt=_LAST), "Failed"), 181, True),
    "is new": ({}, 0, False),
}


@pytest.mark.parametrize("name", LEFT)
def test_a_pod_for_which_nobody_waits_any_more(name: str) -> None:
    status, age, left = LEFT[name]
    assert is_left_behind(_pod(status, creationTimestamp=_at(age)), NOW) is left


def test_a_pod_of_unknown_age_is_nobodys_to_remove() -> None:
    assert not is_left_behind(_pod({}), NOW)


def test_a_pinned_client_certificate_is_the_one_that_must_be_shown() -> None:
    pinned = WrittenNode({"192.0.2.1": NameSource.PIN}, frozenset({"AB"}))
    assert not_the_pinned_one("n", pinned, frozenset({"AB"})) == ""
    assert not_the_pinned_one("n", WrittenNode(), frozenset()) == ""
    assert "kubevouch approver pin n" in not_the_pinned_one("n", pinned, frozenset({"CD"}))
    assert not_the_pinned_one("n", pinned, frozenset())


def _csr(name: str, user: str, age: int, made_with: str = "") -> CertificateSigningRequest:
    """By which a client certificate of the node n was issued. made_with: SHA-256 of another one."""
    key = "authentication.kubernetes.io/credential-id"
    spec = {
        "signerName": "kubernetes.io/kube-apiserver-client-kubelet",
        "username": user,
        "groups": ["system:nodes"] if user == "system:node:n" else [],
        "extra": {key: [f"X509SHA256={made_with}"]} if made_with else {},
        "request": "",
    }
    chain = Authority(name).client("system:node:n", "system:nodes").chain
    status = {"certificate": b64encode(chain).decode()}
    found = {"metadata": {"name": name, "creationTimestamp": _at(age)}, "spec": spec}
    return msgspec.convert({**found, "status": status}, CertificateSigningRequest)


def test_a_node_whose_name_was_asked_for_again_since_it_joined_is_uncertain() -> None:
    node = msgspec.convert({"metadata": {"name": "n", "creationTimestamp": _at(600)}}, Node)
    # In the second in which its Node was made.
    joining = _csr("joining", "system:bootstrap:abcdef", 600)
    rotation = _csr("rotation", "system:node:n", 60, made_with="ab" * 32)
    again = _csr("again", "system:bootstrap:abcdef", 300)
    assert asked_for_again([joining, rotation], [node]) == {}
    for doubtful in ([joining, again, rotation], [again], [_csr("other", "alice", 700), joining]):
        assert "use --via ssh" in asked_for_again(doubtful, [node])["n"]
    # Nobody knows when it joined.
    assert asked_for_again([joining], [msgspec.convert({"metadata": {"name": "n"}}, Node)])
