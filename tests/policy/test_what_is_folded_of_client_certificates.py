"""The standing of client certificates, piece by piece: what is kept of each, and what is said where it is not known."""

from datetime import UTC, datetime, timedelta

import pytest

from kubevouch.policy.standing import (
    MOST_CREDENTIALS,
    ClientCredential,
    ClientCsr,
    ClientStanding,
    LiveNode,
    NodeStanding,
    StandingAnswer,
    certificate_id,
    folded,
    of_node,
    standing_of,
)
from kubevouch.policy.standings import MOST_WAITING, Standings

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
LIVE = LiveNode("w1", "uid-1", NOW)
OWN, BORROWED, UNKNOWN = ClientStanding.OWN, ClientStanding.BORROWED, ClientStanding.UNKNOWN
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
    ("uid", "standing", "crowded"),
    [("uid-1", OWN, False), ("uid-1", BORROWED, True), ("", OWN, True)],
)
def test_a_crowd_is_remembered_where_a_borrowed_one_may_be_among_those_that_were_dropped(
    uid: str, standing: ClientStanding, crowded: bool
) -> None:
    many = [listed(f"a{i}", standing, -i, by_node=True) for i in range(MOST_CREDENTIALS)]
    parent = listed("aa", standing, -99)
    known = NodeStanding(uid, (parent, *many[2:]))
    after = folded(known, asked("ff", -1, "aa", by_node=True), LIVE if uid else None)
    assert (len(after.credentials), after.crowded) == (MOST_CREDENTIALS, False)
    after = folded(after, asked("fe", -1, "ff", by_node=True), LIVE if uid else None)
    assert (len(after.credentials), after.crowded) == (MOST_CREDENTIALS, crowded)
    assert after.listed("aa") is None


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
            NodeStanding("uid-1"),
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
