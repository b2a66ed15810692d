"""The standing of client certificates, piece by piece: what is kept of each, and what is said where it is not known."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from kubevouch.policy.client_csr import ClientCsr, certificate_id
from kubevouch.policy.standing import (
    MOST_CREDENTIALS,
    MOST_CROWDED_OUT,
    ClientCredential,
    ClientStanding,
    LiveNode,
    NodeStanding,
)
from kubevouch.policy.standing_answer import StandingAnswer, standing_of
from kubevouch.policy.standing_folded import folded, of_node
from kubevouch.policy.standings import MOST_WAITING, Standings

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
LIVE = LiveNode("w1", "uid-1", NOW)
OWN, BORROWED, UNKNOWN = ClientStanding.OWN, ClientStanding.BORROWED, ClientStanding.UNKNOWN
REPLACEMENT = ClientStanding.REPLACEMENT
OLD = "the CSR does not say which credential made it (API servers before Kubernetes 1.32)"


def asked(certificate: str, at: int, by: str = "", *, by_node: bool = False) -> ClientCsr:
    ids = (f"X509SHA256={by}",) if by else ()
    return ClientCsr(
        f"csr-{certificate}", "w1", by_node, ids, NOW + timedelta(seconds=at), certificate
    )


def listed(
    certificate: str, standing: ClientStanding, at: int, parent: str = "", *, by_node: bool = False
) -> ClientCredential:
    return ClientCredential(
        certificate, standing, f"csr-{certificate}", NOW + timedelta(seconds=at), parent, by_node
    )


def test_a_person_with_a_nodes_client_certificate_has_not_renewed_it() -> None:
    """What somebody else asks for inherits nothing, whatever certificate they showed."""
    known = NodeStanding("uid-1", (listed("aa", OWN, -5),))
    assert folded(known, asked("ff", 5, "aa"), LIVE).credentials[1] == listed("ff", BORROWED, 5)
    assert folded(known, asked("ab", 5, "aa", by_node=True), LIVE).credentials[1] == listed(
        "ab", OWN, 5, parent="aa", by_node=True
    )


def test_what_is_told_of_a_node_that_is_there_is_kept_under_its_uid() -> None:
    assert folded(NodeStanding(), asked("ff", 5), LIVE) == NodeStanding(
        "uid-1", (listed("ff", BORROWED, 5),), whole=False
    )
    assert folded(NodeStanding(), asked("aa", -5), None) == NodeStanding(
        "", (listed("aa", OWN, -5),), whole=True
    )


def test_what_the_operator_pinned_is_its_own_though_it_looks_borrowed() -> None:
    known = NodeStanding("uid-1", (listed("aa", OWN, -5),))
    assert folded(known, asked("ff", 5), LIVE, ("ff",)).credentials[1].standing is OWN
    assert folded(known, asked("ff", 5), LIVE, ("aa",)).credentials[1].standing is BORROWED


def test_where_two_may_have_joined_the_one_that_was_borrowed_stays_borrowed() -> None:
    waiting = NodeStanding("", (listed("aa", OWN, -5), listed("ab", OWN, -4), listed("ff", OWN, 5)))
    assert [each.standing for each in of_node(waiting, LIVE).credentials] == [
        UNKNOWN,
        UNKNOWN,
        BORROWED,
    ]


@pytest.mark.parametrize(
    ("uid", "standing", "crowded_out"),
    [("uid-1", OWN, ()), ("uid-1", BORROWED, ("aa",)), ("", OWN, ("aa",))],
)
def test_a_crowd_is_remembered_where_a_borrowed_one_may_be_among_those_that_were_dropped(
    uid: str, standing: ClientStanding, crowded_out: tuple[str, ...]
) -> None:
    many = [listed(f"a{i}", standing, -i, by_node=True) for i in range(MOST_CREDENTIALS)]
    parent = listed("aa", standing, -99)
    known = NodeStanding(uid, (parent, *many[2:]))
    after = folded(known, asked("ff", -1, "aa", by_node=True), LIVE if uid else None)
    assert (len(after.credentials), after.crowded_out) == (MOST_CREDENTIALS, ())
    after = folded(after, asked("fe", -1, "ff", by_node=True), LIVE if uid else None)
    assert (len(after.credentials), after.crowded_out) == (MOST_CREDENTIALS, crowded_out)
    assert after.listed("aa") is None
    assert not after.crowded


def test_of_those_that_are_crowded_out_the_first_digits_are_kept_and_of_a_crowd_that_it_was_one() -> (
    None
):
    known = NodeStanding("uid-1")
    for number in range(MOST_CREDENTIALS + MOST_CROWDED_OUT):
        known = folded(known, asked(f"{number:064}"[::-1], 5), LIVE)
    first = tuple(f"{number:064}"[::-1][:16] for number in range(MOST_CROWDED_OUT))
    assert known.crowded_out == first
    assert not known.crowded
    known = folded(known, asked("f" * 64, 5), LIVE)
    assert len(known.crowded_out) == MOST_CROWDED_OUT
    assert known.crowded


def test_a_crowd_is_no_larger_for_being_told_again() -> None:
    """A new process sees every CSR of the last hour again. Its records say which certificates no longer had room, so none counts twice."""
    crowd = [asked(f"{number:064}"[::-1], 5) for number in range(3 * MOST_CREDENTIALS)]
    known = NodeStanding("uid-1")
    for csr in crowd:
        known = folded(known, csr, LIVE)
    for csr in crowd * 10:
        assert folded(known, csr, LIVE) == known
        known = folded(known, csr, LIVE)
    assert not known.crowded


def test_what_replaced_one_that_was_crowded_out_is_no_better() -> None:
    known = NodeStanding("uid-1", crowded_out=("f" * 16,))
    after = folded(known, asked("ab", 5, "f" * 64, by_node=True), LIVE)
    assert after.credentials == (listed("ab", BORROWED, 5, "f" * 64, by_node=True),)
    doubtful = NodeStanding("uid-1", (listed("ab", UNKNOWN, 5, "f" * 64, by_node=True),))
    assert not standing_of(doubtful, LIVE, ("X509SHA256=ab",)).holds
    after = msgspec.structs.replace(doubtful, crowded_out=("f" * 16,))
    assert standing_of(after, LIVE, ("X509SHA256=ab",)).holds


def test_what_is_known_of_a_node_is_known_of_the_next_of_its_name() -> None:
    known = NodeStanding(
        "uid-1",
        (listed("aa", OWN, -5), listed("ff", BORROWED, 5), listed("77", UNKNOWN, 6)),
        whole=True,
        crowded_out=("f0",),
        crowded=True,
    )
    earlier = tuple(msgspec.structs.replace(each, earlier=True) for each in known.credentials)
    kept = NodeStanding("", earlier, crowded_out=("f0",), crowded=True, earlier=True)
    assert known.left() == kept
    later = LiveNode("w1", "uid-2", NOW + timedelta(hours=1))
    assert of_node(known, later) == msgspec.structs.replace(kept, uid="uid-2")
    assert of_node(kept, later) == msgspec.structs.replace(kept, uid="uid-2")
    joined = folded(kept, asked("bb", 3000), None)
    assert not joined.whole
    assert of_node(joined, later).credentials == (*earlier, listed("bb", REPLACEMENT, 3000))


@pytest.mark.parametrize(
    ("known", "ids", "answer"),
    [
        (NodeStanding("uid-1"), (), StandingAnswer(UNKNOWN, OLD)),
        (
            NodeStanding("uid-1", crowded=True),
            (),
            StandingAnswer(
                UNKNOWN,
                f"a client certificate of this node's name was borrowed (some time ago), and {OLD}",
                holds=True,
            ),
        ),
        (
            NodeStanding("uid-1", (listed("ff", BORROWED, 5), listed("fe", BORROWED, 6))),
            (),
            StandingAnswer(
                UNKNOWN,
                f"a client certificate of this node's name was borrowed (csr-ff, csr-fe), and {OLD}",
                holds=True,
            ),
        ),
        (
            NodeStanding("uid-1", whole=True, crowded=True),
            ("X509SHA256=77",),
            StandingAnswer(
                UNKNOWN,
                "every client certificate of this node has been seen, and this is not one of them",
                holds=True,
            ),
        ),
        (
            NodeStanding("uid-1", crowded=True),
            ("X509SHA256=77",),
            StandingAnswer(
                UNKNOWN,
                "so many client certificates of this node's name were borrowed that this may be one of them",
                holds=True,
            ),
        ),
        (
            NodeStanding("uid-1", whole=True, crowded_out=("77",)),
            ("X509SHA256=77",),
            StandingAnswer(
                UNKNOWN,
                "a bootstrap token or a person asked for it, as for many others of this node's name",
                holds=True,
            ),
        ),
        (
            NodeStanding("uid-1", crowded_out=("77",)),
            (),
            StandingAnswer(
                UNKNOWN,
                f"a client certificate of this node's name was borrowed (some time ago), and {OLD}",
                holds=True,
            ),
        ),
        *(
            (
                NodeStanding("uid-1"),
                ids,
                StandingAnswer(
                    UNKNOWN,
                    "it was made with something else than one client certificate, and kubelets have no other credential",
                    holds=True,
                ),
            )
            for ids in (("JTI=77",), ("X509SHA256=aa", "X509SHA256=bb"))
        ),
        (
            NodeStanding("uid-1", crowded_out=("78",)),
            ("X509SHA256=77",),
            StandingAnswer(
                UNKNOWN, "it was issued before anybody watched, or while nobody did"
            ),
        ),
    ],
)  # fmt: skip
def test_what_is_said_where_the_credential_is_not_known(
    known: NodeStanding, ids: tuple[str, ...], answer: StandingAnswer
) -> None:
    assert standing_of(known, LIVE, ids) == answer


def test_what_was_not_made_with_one_client_certificate_has_no_id() -> None:
    assert [certificate_id(ids) for ids in ((), ("JTI=x",), ("X509SHA256=AA",))] == ["", "", "aa"]


def test_a_gap_in_the_watch_takes_nothing_away_but_that_all_was_seen() -> None:
    standings = Standings()
    standings.csr(asked("aa", -5), None)
    assert standings.known("w1").whole is True
    standings.gap()
    assert standings.known("w1") == NodeStanding("", (listed("aa", OWN, -5),), whole=False)
    assert standings.known("w1").whole is False


def test_a_node_that_has_joined_does_not_wait_any_more() -> None:
    standings = Standings()
    for number in range(MOST_WAITING + 1):
        name = f"w{number}"
        standings.csr(ClientCsr("csr", name, by_node=False, credential_ids=(), created=NOW, certificate=name), None)  # fmt: skip
        standings.node(LiveNode(name, f"uid-{number}", NOW))
    assert standings.known("another").crowded is False


NOT_NAMED = StandingAnswer(
    UNKNOWN, "the CSR names no client certificate, which is what credential-id says"
)


def test_a_csr_that_names_no_credential_where_others_name_theirs_is_left_to_the_rule_about_that() -> (
    None
):
    """Whoever may impersonate a node makes a CSR in its name, and with no credential of its own."""
    answer = standing_of(NodeStanding("uid-1"), LIVE, (), told=True)
    assert answer == NOT_NAMED
    assert standing_of(NodeStanding("uid-1"), LIVE, None, told=True) == answer


def test_that_others_name_their_credential_is_seen_in_any_csr_and_in_what_was_stored() -> None:
    standings = Standings()
    assert standings.of(LIVE, ()) != NOT_NAMED
    assert standings.of(LIVE, (), told=True) == NOT_NAMED
    token = ClientCsr("csr", "w2", by_node=False, credential_ids=("JTI=x",), created=NOW, certificate="bb")  # fmt: skip
    standings.csr(token, None)
    assert not standings.told
    standings.csr(asked("ab", 5, "aa", by_node=True), LIVE)
    standings.csr(asked("ac", 5, by_node=True), LIVE)
    assert standings.told
    assert standings.of(LIVE, ()) == NOT_NAMED
    stored = {"w1": NodeStanding("uid-1", (listed("ab", UNKNOWN, 5, "aa", by_node=True),))}
    assert Standings(stored).told
    untold = {"w1": NodeStanding("uid-1", (listed("ab", UNKNOWN, 5, by_node=True),))}
    assert not Standings(untold).told
