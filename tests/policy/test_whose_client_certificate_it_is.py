"""The standing of client certificates: which is the node's own, which was borrowed, and where that cannot be told."""

from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from kubevouch.kube.resources import CertificateSigningRequest
from kubevouch.policy.client_csr import ClientCsr, client_csr_of
from kubevouch.policy.standing import (
    MOST_CREDENTIALS,
    MOST_CROWDED_OUT,
    ClientStanding,
    LiveNode,
    NodeStanding,
)
from kubevouch.policy.standing_answer import StandingAnswer, standing_of
from kubevouch.policy.standings import MOST_GONE, MOST_WAITING, Standings
from tests.support.authority import Authority
from tests.support.requests import request

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
OWN, BORROWED, UNKNOWN = ClientStanding.OWN, ClientStanding.BORROWED, ClientStanding.UNKNOWN
REPLACEMENT = ClientStanding.REPLACEMENT


def live(created: int = 10, *, uid: str = "uid-1", name: str = "w1") -> LiveNode:
    return LiveNode(name, uid, NOW + timedelta(seconds=created))


def bootstrapped(certificate: str, at: int, *, node: str = "w1") -> ClientCsr:
    """A bootstrap token asked for it."""
    return ClientCsr(
        f"csr-{certificate}", node, by_node=False, credential_ids=("JTI=x",), created=NOW + timedelta(seconds=at), certificate=certificate
    )  # fmt: skip


def renewed(certificate: str, at: int, by: str | None) -> ClientCsr:
    """The node asked for it, with the certificate `by`; None: an API server that does not say which."""
    ids = () if by is None else (f"X509SHA256={by.upper()}",)
    return ClientCsr(
        f"csr-{certificate}", "w1", by_node=True, credential_ids=ids, created=NOW + timedelta(seconds=at), certificate=certificate
    )  # fmt: skip


def of(
    standings: Standings, certificate: str, node: LiveNode | None = None, *, admitted: bool = False
) -> StandingAnswer:
    return standings.of(node or live(), (f"X509SHA256={certificate}",), admitted=admitted)


def joined(**more: Any) -> Standings:
    """w1 joined with the client certificate aa."""
    standings = Standings(**more)
    assert standings.csr(bootstrapped("aa", 5), None)
    assert standings.node(live())
    return standings


def test_the_certificate_with_which_a_node_joined_is_its_own() -> None:
    standings = joined()
    assert of(standings, "aa") == StandingAnswer(OWN, "issued by csr-aa")
    assert not standings.csr(bootstrapped("aa", 5), live())
    assert not standings.node(live())


def test_one_that_was_asked_for_when_the_node_was_there_is_borrowed() -> None:
    standings = joined()
    standings.csr(bootstrapped("ff", 11), live())
    answer = of(standings, "ff")
    assert answer.standing is BORROWED
    assert answer.why == (
        "issued by csr-ff, which a bootstrap token or a person asked for when the Node was there already"
    )
    assert of(standings, "aa").standing is OWN


def test_the_same_second_is_not_later() -> None:
    standings = Standings()
    standings.csr(bootstrapped("aa", 10), None)
    standings.node(live(10))
    assert of(standings, "aa").standing is OWN


def test_rotation_inherits_the_standing_of_what_asked() -> None:
    standings = joined()
    standings.csr(bootstrapped("ff", 11), live())
    standings.csr(renewed("ab", 20, "aa"), live())
    standings.csr(renewed("fe", 21, "ff"), live())
    assert of(standings, "ab") == StandingAnswer(OWN, "issued by csr-ab")
    assert of(standings, "fe").standing is BORROWED


def test_a_node_whose_every_certificate_was_seen_is_held_with_one_that_was_not() -> None:
    answer = of(joined(), "77")
    assert (answer.standing, answer.holds) == (UNKNOWN, True)
    assert "this is not one of them" in answer.why


def test_a_chain_that_began_before_anybody_watched_is_unknown_and_not_held() -> None:
    standings = Standings()
    standings.node(live())
    assert of(standings, "aa") == StandingAnswer(
        UNKNOWN, "it was issued before anybody watched, or while nobody did"
    )
    standings.csr(renewed("ab", 20, "aa"), live())
    assert of(standings, "ab") == StandingAnswer(
        UNKNOWN, "issued by csr-ab, whose own credential was issued before anybody watched"
    )
    standings.csr(bootstrapped("ff", 30), live())
    assert of(standings, "ff").standing is BORROWED


def test_after_a_gap_in_the_watch_what_was_not_seen_is_not_held() -> None:
    standings = joined()
    standings.csr(bootstrapped("bb", 5, node="w2"), None)
    standings.gap()
    assert not of(standings, "77").holds
    assert of(standings, "aa").standing is OWN
    second = live(uid="uid-2", name="w2")
    standings.node(second)
    assert not of(standings, "77", second).holds
    assert of(standings, "bb", second).standing is OWN


def test_of_two_that_asked_before_there_was_a_node_nothing_tells_which_joined() -> None:
    standings = Standings()
    standings.csr(bootstrapped("aa", 5), None)
    standings.csr(renewed("ab", 6, "aa"), None)
    standings.csr(bootstrapped("ff", 7), None)
    standings.node(live())
    for certificate in ("aa", "ff"):
        answer = of(standings, certificate)
        assert (answer.standing, answer.holds) == (UNKNOWN, True)
        assert answer.why.endswith(
            "one of several before there was a Node: any of them may have joined"
        )
    assert of(standings, "ab").holds


def test_a_csr_that_is_seen_before_its_node_is_judged_by_when_the_node_was_made() -> None:
    standings = Standings()
    standings.csr(bootstrapped("ff", 11), None)
    assert of(standings, "ff").standing is BORROWED
    standings.node(live(10))
    assert of(standings, "ff").standing is BORROWED


AGAIN = live(100, uid="uid-2")
GOT_ANEW = (
    "issued by csr-bb, which a bootstrap token or a person asked for after an earlier Node of this name was gone: whoever "
    "reinstalls a machine does so, and whoever would pass for it"
)


def left(**more: Any) -> Standings:
    """w1 joined with aa, and its Node was deleted."""
    standings = joined(**more)
    standings.gone("w1")
    return standings


def test_the_kubelet_of_a_node_that_was_deleted_comes_back_with_its_certificate() -> None:
    """Nothing else was asked for meanwhile: somebody deleted the Node and restarted the kubelet."""
    for standings in (left(), joined()):
        answer = of(standings, "aa", AGAIN)
        assert answer == StandingAnswer(
            UNKNOWN, "issued by csr-aa for an earlier Node of this name"
        )
        standings.node(AGAIN)
        assert of(standings, "aa", AGAIN) == answer
        assert standings.csr(renewed("ab", 120, "aa"), AGAIN)
        assert not of(standings, "ab", AGAIN).holds
        assert not of(standings, "77", AGAIN).holds
        assert not standings.csr(bootstrapped("aa", 5), AGAIN)


@pytest.mark.parametrize("told_first", ["csr", "node"])
def test_one_that_was_got_while_the_node_was_deleted_may_be_a_thiefs_or_of_a_reinstalled_machine(
    told_first: str,
) -> None:
    standings = left()
    if told_first == "node":
        standings.node(AGAIN)
    standings.csr(bootstrapped("bb", 50), AGAIN if told_first == "node" else None)
    standings.node(AGAIN)
    assert of(standings, "bb", AGAIN) == StandingAnswer(REPLACEMENT, GOT_ANEW, holds=True)
    standings.csr(renewed("bc", 150, "bb"), AGAIN)
    assert of(standings, "bc", AGAIN).standing is REPLACEMENT
    # The kubelet that was there before is not held for that.
    assert not of(standings, "aa", AGAIN).holds
    assert not of(standings, "77", AGAIN).holds


def test_it_is_not_forgiven_when_that_node_is_deleted_too() -> None:
    standings = left()
    standings.csr(bootstrapped("bb", 50), None)
    standings.csr(renewed("bc", 60, "bb"), None)
    standings.node(AGAIN)
    standings.gone("w1")
    third = live(200, uid="uid-3")
    standings.node(third)
    for certificate in ("bb", "bc"):
        assert (of(standings, certificate, third).standing, of(standings, certificate, third).holds) == (REPLACEMENT, True)  # fmt: skip
    for number in range(MOST_CREDENTIALS):
        standings.csr(bootstrapped(f"d{number}", 150 + number), third)
    assert of(standings, "bb", third).holds


def test_that_there_was_a_node_is_seen_where_it_was_recreated_while_nobody_watched() -> None:
    stored = {"w1": joined().known("w1")}
    standings = Standings(stored)
    standings.node(AGAIN)
    standings.csr(bootstrapped("bb", 50), AGAIN)
    assert of(standings, "bb", AGAIN).standing is REPLACEMENT


def test_where_the_operator_has_pinned_what_was_got_anew_the_one_before_it_is_held() -> None:
    pinned: dict[str, tuple[str, ...]] = {"w1": ("bb",)}
    standings = left(vouched=lambda name: pinned.get(name, ()))
    standings.csr(bootstrapped("bb", 50), None)
    standings.node(AGAIN)
    standings.csr(renewed("bc", 150, "bb"), AGAIN)
    assert [of(standings, each, AGAIN).standing for each in ("bb", "bc")] == [OWN, OWN]
    answer = of(standings, "aa", AGAIN)
    assert (answer.standing, answer.holds) == (UNKNOWN, True)
    assert answer.why == (
        "issued by csr-aa for an earlier Node of this name; the operator has pinned this node's client certificates, and it "
        "neither is one of them nor was seen to replace one"
    )
    assert of(standings, "77", AGAIN) == StandingAnswer(
        UNKNOWN,
        "the operator has pinned this node's client certificates, and it neither is one of them nor was seen to replace one",
        holds=True,
    )
    standings.csr(renewed("78", 160, "77"), AGAIN)
    assert of(standings, "78", AGAIN).holds


def test_where_the_rule_for_new_nodes_admits_what_was_got_anew_the_one_before_it_is_held() -> None:
    standings = left()
    standings.csr(bootstrapped("bb", 50), None)
    standings.node(AGAIN)
    assert of(standings, "bb", AGAIN, admitted=True) == StandingAnswer(
        OWN, "issued by csr-bb, and the rule for new nodes admits the Node"
    )
    instead = "the rule for new nodes has admitted a Node that joined with another one"
    assert of(standings, "aa", AGAIN, admitted=True) == StandingAnswer(
        UNKNOWN, f"issued by csr-aa for an earlier Node of this name; {instead}", holds=True
    )
    assert of(standings, "77", AGAIN, admitted=True) == StandingAnswer(UNKNOWN, instead, holds=True)
    standings.gone("w1")
    third = live(200, uid="uid-3")
    standings.csr(bootstrapped("cc", 150), None)
    standings.node(third)
    assert of(standings, "cc", third, admitted=True).standing is OWN
    assert of(standings, "bb", third, admitted=True).holds


def test_one_that_was_got_anew_comes_back_after_its_node_was_deleted_if_the_rule_admits_it() -> (
    None
):
    standings = left()
    standings.csr(bootstrapped("bb", 50), None)
    standings.node(AGAIN)
    standings.gone("w1")
    assert of(standings, "bb", live(200, uid="uid-3"), admitted=True).standing is OWN


def test_of_two_that_were_got_anew_the_rule_for_new_nodes_cannot_tell_either() -> None:
    standings = left()
    standings.csr(bootstrapped("bb", 50), None)
    standings.csr(bootstrapped("ff", 51), None)
    standings.node(AGAIN)
    for certificate in ("bb", "ff"):
        assert of(standings, certificate, AGAIN, admitted=True).holds


def test_a_pin_goes_before_the_rule_for_new_nodes() -> None:
    standings = left(vouched=lambda _: ("77",))
    standings.csr(bootstrapped("bb", 50), None)
    standings.node(AGAIN)
    assert of(standings, "bb", AGAIN, admitted=True).standing is REPLACEMENT
    assert of(standings, "77", AGAIN, admitted=True).standing is OWN


def test_where_the_api_server_does_not_say_which_one_made_a_csr_a_reinstalled_node_is_not_held() -> (
    None
):
    """There would be no way out: none could be pinned. (API servers before Kubernetes 1.32.)"""
    standings = left()
    standings.csr(bootstrapped("bb", 50), None)
    standings.node(AGAIN)
    assert not standings.of(AGAIN, ()).holds


def test_nodes_that_are_gone_are_bounded_and_the_oldest_is_forgotten() -> None:
    standings = Standings()
    for number in range(MOST_GONE):
        standings.node(live(name=f"n{number}"))
        standings.gone(f"n{number}")
    assert not standings.take_forgotten()
    standings.csr(bootstrapped("bb", 50, node="n0"), None)  # so that it is not the oldest any more
    for name in ("x0", "x1"):
        standings.node(live(name=name))
        standings.gone(name)
    assert standings.take_forgotten() == {"n1", "n2"}
    assert not standings.take_forgotten()
    assert standings.known("n1") == NodeStanding()
    assert standings.known("n0").earlier


def test_where_one_is_forgotten_of_which_something_was_borrowed_what_is_not_listed_is_held() -> (
    None
):
    standings = Standings()
    standings.node(live(name="n0"))
    standings.csr(bootstrapped("ff", 50, node="n0"), live(name="n0"))
    standings.gone("n0")
    for number in range(1, MOST_GONE + 1):
        standings.node(live(name=f"n{number}"))
        standings.gone(f"n{number}")
    assert standings.known("n0") == NodeStanding(crowded=True)
    assert of(standings, "ff", live(200, uid="uid-3", name="n0")).holds


def test_what_the_operator_has_pinned_is_the_nodes_own_and_so_is_what_replaced_it() -> None:
    pinned: dict[str, tuple[str, ...]] = {}
    standings = joined(vouched=lambda name: pinned.get(name, ()))
    standings.csr(bootstrapped("ff", 11), live())
    standings.csr(renewed("fe", 12, "ff"), live())
    standings.csr(renewed("fd", 13, "fe"), live())
    assert of(standings, "fd").standing is BORROWED
    pinned["w1"] = ("ff", "77")
    assert of(standings, "77") == StandingAnswer(OWN, "the operator has pinned it")
    assert of(standings, "ff").standing is OWN
    assert of(standings, "fd").standing is OWN
    standings.csr(renewed("fc", 14, "fd"), live())
    standings.csr(renewed("78", 15, "77"), live())
    pinned.clear()
    assert of(standings, "fc").standing is OWN
    assert of(standings, "78").standing is OWN


def test_memory_is_bounded_and_a_borrowed_one_that_is_crowded_out_is_not_forgiven() -> None:
    standings = Standings()
    standings.node(live())
    for number in range(MOST_CREDENTIALS):
        standings.csr(bootstrapped(f"f{number}", 20 + number), live())
    assert not of(standings, "77").holds
    standings.csr(bootstrapped("f9", 30), live())
    known = standings.known("w1")
    assert [each.certificate for each in known.credentials] == ["f1", "f2", "f3", "f9"]
    answer = of(standings, "f0")
    assert (answer.standing, answer.holds) == (UNKNOWN, True)
    assert "as for many others of this node's name" in answer.why
    standings.csr(renewed("e0", 40, "f0"), live())
    assert of(standings, "e0").standing is BORROWED


def test_a_few_borrowed_ones_hold_no_node_whose_own_was_issued_before_anybody_watched() -> None:
    standings = Standings()
    standings.node(live())
    for number in range(MOST_CREDENTIALS + MOST_CROWDED_OUT):
        standings.csr(bootstrapped(f"f{number:02}", 20 + number), live())
    assert not of(standings, "77").holds
    assert all(of(standings, f"f{number:02}").standing is not OWN for number in range(68))
    assert all(of(standings, f"f{number:02}").holds for number in range(MOST_CROWDED_OUT))
    standings.csr(bootstrapped("ee", 200), live())
    assert of(standings, "77").holds


def test_a_borrowed_one_is_not_forgiven_when_the_node_is_deleted_and_comes_back() -> None:
    standings = Standings()
    standings.node(live())
    standings.csr(bootstrapped("ff", 11), live())
    standings.gone("w1")
    assert of(standings, "ff", AGAIN).standing is BORROWED
    standings.node(AGAIN)
    assert of(standings, "ff", AGAIN).standing is BORROWED
    assert of(standings, "ff", AGAIN, admitted=True).standing is BORROWED
    assert not of(standings, "77", AGAIN).holds


def test_neither_is_one_of_several_of_which_nothing_told_which_joined() -> None:
    standings = Standings()
    standings.csr(bootstrapped("aa", 5), None)
    standings.csr(bootstrapped("ff", 7), None)
    standings.node(live())
    standings.gone("w1")
    standings.node(AGAIN)
    assert of(standings, "aa", AGAIN).holds
    assert of(standings, "ff", AGAIN).holds


def test_of_a_node_that_is_gone_is_kept_that_it_was_there() -> None:
    standings = Standings()
    standings.node(live())
    standings.gone("w1")
    assert standings.known("w1") == NodeStanding(earlier=True)
    standings.gone("w2")
    assert standings.known("w2") == NodeStanding()


def test_a_flood_of_borrowed_ones_does_not_crowd_out_the_nodes_own() -> None:
    standings = joined()
    for number in range(50):
        standings.csr(bootstrapped(f"f{number}", 20 + number), live())
    assert of(standings, "aa").standing is OWN
    for number in range(50):
        standings.csr(renewed(f"a{number}", 90, "aa" if number == 0 else f"a{number - 1}"), live())
    assert of(standings, "a49").standing is OWN
    assert of(standings, "f49").standing is BORROWED
    assert len(standings.known("w1").credentials) == 2 * MOST_CREDENTIALS


def test_names_without_a_node_are_bounded_and_what_is_forgotten_is_held() -> None:
    standings = joined()
    for number in range(MOST_WAITING + 1):
        standings.csr(bootstrapped("bb", 5, node=f"n{number}"), None)
    assert len(vars(standings)["_waiting"]) == MOST_WAITING
    forgotten = live(name="n0")
    standings.node(forgotten)
    assert of(standings, "bb", forgotten).holds
    assert of(standings, "aa").standing is OWN


def test_too_many_that_ask_before_there_is_a_node_are_not_forgiven_either() -> None:
    standings = Standings()
    for number in range(MOST_CREDENTIALS + 1):
        standings.csr(bootstrapped(f"f{number}", number), None)
    standings.node(live())
    assert of(standings, "f0").holds


@pytest.mark.parametrize("ids", [None, ()])
def test_an_api_server_that_does_not_say_which_is_held_only_if_one_was_borrowed(
    ids: tuple[str, ...] | None,
) -> None:
    standings = joined()
    standings.csr(renewed("ab", 12, None), live())
    assert standings.known("w1").credentials[-1].standing is UNKNOWN
    answer = standings.of(live(), ids)
    assert (answer.standing, answer.holds) == (UNKNOWN, False)
    assert "before Kubernetes 1.32" in answer.why
    standings.csr(bootstrapped("ff", 11), live())
    answer = standings.of(live(), ids)
    assert answer.holds
    assert "was borrowed (csr-ff)" in answer.why
    for number in range(MOST_CREDENTIALS):
        standings.csr(renewed(f"f{number}", 30, "ff"), live())
    assert standings.of(live(), ids).holds


@pytest.mark.parametrize("ids", [("JTI=1",), ("X509SHA256=aa", "X509SHA256=bb")])
def test_what_is_not_one_client_certificate_is_not_known(ids: tuple[str, ...]) -> None:
    assert joined().of(live(), ids).holds


def test_what_was_stored_is_taken_up_again() -> None:
    before = joined()
    before.csr(bootstrapped("bb", 5, node="w2"), None)
    stored = {name: before.known(name) for name in ("w1", "w2")}
    after = Standings(stored)
    assert of(after, "aa") == of(before, "aa")
    assert after.known("w2") == stored["w2"]


PAIR = Authority().client("system:node:w1", "system:nodes")


def object_of(**more: Any) -> CertificateSigningRequest:
    spec = {
        "signerName": "kubernetes.io/kube-apiserver-client-kubelet",
        "username": "system:bootstrap:abcdef",
        "groups": ["system:bootstrappers", "system:authenticated"],
        "request": b64encode(request("w1")).decode(),
        "extra": {"authentication.kubernetes.io/credential-id": ["X509SHA256=ab"]},
    }
    found = {
        "metadata": {"name": "node-csr-x", "creationTimestamp": "2026-11-25T12:00:00Z"},
        "spec": spec | more.get("spec", {}),
        "status": {"certificate": b64encode(more.get("certificate", PAIR.chain)).decode()},
    }
    found["metadata"] |= more.get("metadata", {})
    return msgspec.convert(found, CertificateSigningRequest)


def test_a_csr_for_a_client_certificate_is_read_when_it_has_been_issued() -> None:
    read = client_csr_of(object_of())
    assert read is not None
    assert (read.csr, read.node, read.by_node) == ("node-csr-x", "w1", False)
    assert (read.credential_ids, read.created) == (("X509SHA256=ab",), NOW)
    assert len(read.certificate) == 64
    assert client_csr_of(object_of(spec={"extra": {}})).credential_ids == ()  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("spec", "by_node"),
    [
        ({"username": "system:node:w1", "groups": ["system:nodes"]}, True),
        ({"username": "system:node:w1", "groups": []}, False),
        ({"username": "system:node:w2", "groups": ["system:nodes"]}, False),
        ({"username": "kubernetes-admin"}, False),
    ],
)
def test_only_the_nodes_own_user_renews(spec: dict[str, Any], by_node: bool) -> None:
    read = client_csr_of(object_of(spec=spec))
    assert read is not None
    assert read.by_node is by_node


@pytest.mark.parametrize(
    "more",
    [
        {"spec": {"signerName": "kubernetes.io/kubelet-serving"}},
        {"certificate": b""},
        {"certificate": b"rubbish"},
        {"certificate": Authority().client("w1", "system:nodes").chain},
        {"certificate": Authority().client("system:node:", "system:nodes").chain},
        {"metadata": {"creationTimestamp": None}},
    ],
)
def test_any_other_csr_says_nothing_about_a_node(more: dict[str, Any]) -> None:
    assert client_csr_of(object_of(**more)) is None


@pytest.mark.parametrize(
    "pem",
    [
        b"text around it\n" * 5_000 + request("w1"),
        request("w1") + b"\n" * 1_400_000,
        b"rubbish",
        request("w1", common_name="system:node:w2"),
    ],
)
def test_for_whom_it_was_issued_the_certificate_says_whatever_stands_in_the_request(
    pem: bytes,
) -> None:
    """Go reads the first PEM block of a request of any size: what we do not read must not hide that a name was borrowed."""
    read = client_csr_of(object_of(spec={"request": b64encode(pem).decode()}))
    assert read is not None
    assert read.node == "w1"


@pytest.mark.parametrize("order", ["ff fe fd", "fe ff fd", "fd fe ff", "fd ff fe"])
def test_a_rotated_one_is_judged_by_the_one_before_it_whichever_is_told_first(order: str) -> None:
    """A list goes by the names of CSRs, and whoever makes a CSR chooses its name."""
    csrs = {
        "ff": bootstrapped("ff", 30),
        "fe": renewed("fe", 30, "ff"),
        "fd": renewed("fd", 30, "fe"),
    }
    standings = Standings()
    standings.node(live())
    for name in order.split():
        standings.csr(csrs[name], live())
    assert [of(standings, each).standing for each in csrs] == [BORROWED] * 3


def test_a_rotated_one_of_a_node_that_joined_is_its_own_whichever_is_told_first() -> None:
    standings = Standings()
    standings.csr(renewed("ab", 7, "aa"), None)
    standings.csr(bootstrapped("aa", 5), None)
    standings.node(live())
    assert of(standings, "ab").standing is OWN


@pytest.mark.parametrize("at", [5, 10])
def test_of_two_that_asked_nothing_tells_which_joined_also_if_the_node_is_told_first(
    at: int,
) -> None:
    """As at every start of the approver. A second that is the Node's own is not later, either."""
    standings = Standings()
    standings.node(live(10))
    standings.csr(bootstrapped("aa", 4), live(10))
    standings.csr(renewed("ab", 7, "aa"), live(10))
    standings.csr(bootstrapped("ff", at), live(10))
    for certificate in ("aa", "ab", "ff"):
        answer = of(standings, certificate)
        assert (answer.standing, answer.holds) == (UNKNOWN, True), certificate


def test_whoever_rotates_a_doubtful_one_again_and_again_is_held_still() -> None:
    standings = Standings()
    standings.node(live(10))
    standings.csr(bootstrapped("aa", 4), live(10))
    standings.csr(bootstrapped("ff", 5), live(10))
    before = "ff"
    for number in range(3 * MOST_CREDENTIALS):
        after = f"f{number:02}"
        standings.csr(renewed(after, 20 + number, before), live(10))
        before = after
        assert of(standings, after).holds


def test_one_of_two_that_the_operator_has_pinned_is_the_nodes_own() -> None:
    standings = Standings(vouched=lambda _: ("aa",))
    standings.node(live(10))
    standings.csr(bootstrapped("aa", 4), live(10))
    standings.csr(bootstrapped("ff", 5), live(10))
    standings.csr(renewed("ab", 20, "aa"), live(10))
    assert [of(standings, each).standing for each in ("aa", "ab", "ff")] == [OWN, OWN, UNKNOWN]
    assert of(standings, "ff").holds


def test_what_replaces_a_certificate_of_an_earlier_node_is_an_earlier_nodes_too() -> None:
    """The kubelet that was there before rotates its certificate after the Node was recreated: that makes it no newcomer."""
    standings = left()
    standings.csr(renewed("ab", 20, "aa"), None)
    standings.csr(bootstrapped("bb", 50), None)
    standings.node(AGAIN)
    standings.csr(renewed("ac", 120, "ab"), AGAIN)
    standings.csr(renewed("bc", 121, "bb"), AGAIN)
    kept = {each.certificate: each.earlier for each in standings.known("w1").credentials}
    assert kept == {"aa": True, "ab": True, "bb": False, "ac": True, "bc": False}
    assert of(standings, "ac", AGAIN, admitted=True).holds
    assert not of(standings, "bc", AGAIN, admitted=True).holds


def test_that_all_was_seen_is_known_only_of_a_name_that_is_heard_of_for_the_first_time() -> None:
    standings = Standings()
    standings.csr(renewed("ab", 4, "aa"), None)
    standings.csr(bootstrapped("ff", 5), None)
    assert not standings.known("w1").whole
    standings = Standings({"w1": NodeStanding(earlier=True)})
    standings.csr(bootstrapped("ff", 5), None)
    assert not standings.known("w1").whole


def test_a_name_that_had_been_forgotten_and_is_heard_of_again_is_kept() -> None:
    standings = Standings()
    for number in range(MOST_GONE + 1):
        standings.node(live(name=f"n{number}"))
        standings.gone(f"n{number}")
    standings.csr(bootstrapped("bb", 50, node="n0"), None)
    assert standings.take_forgotten() == set()
    assert standings.known("n0").credentials


def test_that_something_was_borrowed_of_a_forgotten_name_is_not_forgotten_itself() -> None:
    standings = Standings()
    standings.node(live(name="n0"))
    standings.csr(bootstrapped("ff", 50, node="n0"), live(name="n0"))
    standings.gone("n0")
    for number in range(1, MOST_GONE + 2):
        standings.node(live(name=f"n{number}"))
        standings.gone(f"n{number}")
    assert standings.take_forgotten() == {"n0", "n1"}
    assert standings.known("another") == NodeStanding(crowded=True)


def test_what_is_said_of_one_that_replaced_a_pinned_one_and_of_one_that_did_not() -> None:
    standings = Standings(vouched=lambda _: ("77",))
    standings.node(live())
    standings.csr(renewed("78", 20, "77"), live())
    standings.csr(renewed("ab", 21, "aa"), live())
    assert of(standings, "78") == StandingAnswer(OWN, "issued by csr-78")
    assert of(standings, "ab") == StandingAnswer(
        UNKNOWN,
        "issued by csr-ab; the operator has pinned this node's client certificates, and it neither is one of them nor was "
        "seen to replace one",
        holds=True,
    )


def test_what_nobody_saw_begin_is_held_where_so_many_were_borrowed_that_it_may_be_one_of_them() -> (
    None
):
    known = NodeStanding("uid-1", crowded=True)
    standings = Standings({"w1": known})
    standings.csr(renewed("ab", 20, "aa"), live())
    assert of(standings, "ab") == StandingAnswer(
        UNKNOWN,
        "issued by csr-ab, whose own credential was issued before anybody watched",
        holds=True,
    )


def test_no_rule_for_new_nodes_admits_anybody_unless_somebody_says_so() -> None:
    standings = left()
    standings.csr(bootstrapped("bb", 50), None)
    standings.node(AGAIN)
    assert standings.of(AGAIN, ("X509SHA256=bb",)).holds
    assert standing_of(standings.known("w1"), AGAIN, ("X509SHA256=bb",)).holds
