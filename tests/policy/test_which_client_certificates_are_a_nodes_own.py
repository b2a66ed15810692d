"""The one rule about client certificates, as tables of what happened and what follows; and in every order of the same events.

A history is a text. `10 node` makes the Node at second 10, `5 aa` is a client certificate that a bootstrap token asked for,
`20 ab<aa` one that the node asked for with aa, `20 ab<` with nobody knows which. Times of CSRs say when they were made; what
stands first is seen first.
"""

from collections.abc import Collection, Iterable
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kubevouch.outcome import Outcome
from kubevouch.policy.credentials import (
    MOST,
    UNKNOWN_TIME,
    CredentialAnswer,
    LiveNode,
    NodeCredentials,
    folded,
    judged,
)
from kubevouch.policy.csr import ClientCsr
from kubevouch.policy.reasons import HoldReason

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
OWN, OPEN = HoldReason.PASSES, HoldReason.NOT_ASKED
BORROWED, UNKNOWN, EARLIER = (
    HoldReason.BORROWED_IDENTITY,
    HoldReason.UNKNOWN_CREDENTIAL,
    HoldReason.EARLIER_NODE,
)
NODE = LiveNode("w1", "uid-1", NOW + timedelta(seconds=10))
AGAIN = LiveNode("w1", "uid-2", NOW + timedelta(seconds=100))


def csr_of(text: str) -> ClientCsr:
    at, what = text.split()
    certificate, by_node, parent = what.partition("<")
    ids = (f"X509SHA256={parent.upper()}",) if parent else () if by_node else ("JTI=x",)
    return ClientCsr(
        f"csr-{certificate}", "w1", bool(by_node), ids, NOW + timedelta(seconds=int(at)), certificate
    )  # fmt: skip


def csrs_of(text: str) -> list[ClientCsr]:
    return [csr_of(each) for each in text.split(", ") if each]


def answer(known: NodeCredentials, certificate: str, *, admitted: bool = False) -> CredentialAnswer:
    return judged(known, (f"X509SHA256={certificate.upper()}",), told=True, admitted=admitted)


def reasons(
    known: NodeCredentials, certificates: Iterable[str], *, admitted: bool = False
) -> list[HoldReason]:
    return [answer(known, each, admitted=admitted).reason for each in certificates]


@pytest.mark.parametrize(
    ("history", "pinned", "expected"),
    [
        # (b): who joined
        ("5 aa", "", {"aa": OWN, "77": UNKNOWN}),
        ("10 aa", "", {"aa": OWN, "77": UNKNOWN}),
        ("5 aa, 11 ff", "", {"aa": OWN, "ff": BORROWED}),
        ("5 aa, 7 ff", "", {"aa": UNKNOWN, "ff": UNKNOWN, "77": UNKNOWN}),
        ("5 aa, 10 ff", "", {"aa": UNKNOWN, "ff": UNKNOWN}),
        ("5 aa, 6 ab<aa, 7 ff", "", {"ab": UNKNOWN}),
        # (c): what replaced it, whichever is listed first
        ("5 aa, 20 ab<aa, 30 ac<ab", "", {"ab": OWN, "ac": OWN}),
        ("30 ac<ab, 20 ab<aa, 5 aa", "", {"ab": OWN, "ac": OWN}),
        ("5 aa, 7 ab<aa", "", {"ab": OWN}),
        ("5 aa, 20 78<77", "", {"78": UNKNOWN}),
        ("5 aa, 11 ff, 12 fe<ff, 13 fd<fe", "", {"fe": BORROWED, "fd": BORROWED}),
        # a list that nothing closes
        ("", "", {"77": OPEN}),
        ("20 78<77", "", {"77": OPEN, "78": OPEN}),
        ("11 ff, 12 fe<ff", "", {"ff": BORROWED, "fe": BORROWED, "77": OPEN}),
        ("12 fe<ff, 11 ff", "", {"ff": BORROWED, "fe": BORROWED, "77": OPEN}),
        ("11 f1, 12 f2, 13 f3, 14 f4", "", {"f1": BORROWED, "f4": BORROWED, "77": OPEN}),
        ("11 f1, 12 f2, 13 f3, 14 f4, 15 f5", "", {"f1": BORROWED, "f5": BORROWED, "77": UNKNOWN}),
        ("11 f1, 12 f2<f1, 13 f3<f2, 14 f4<f3, 15 f5<f4", "", {"f5": BORROWED, "77": UNKNOWN}),
        # (a): what a pin names, in place of (b)
        ("", "77", {"77": OWN, "78": UNKNOWN}),
        ("20 78<77, 30 79<78", "77", {"78": OWN, "79": OWN}),
        ("5 aa, 20 ab<aa", "77", {"aa": UNKNOWN, "ab": UNKNOWN, "77": OWN}),
        ("5 aa, 20 ab<aa, 30 ac<ab", "ab", {"aa": UNKNOWN, "ab": OWN, "ac": OWN}),
        ("5 aa, 7 ff", "aa", {"aa": OWN, "ff": UNKNOWN}),
        ("11 ff, 12 fe<ff", "ff", {"ff": OWN, "fe": OWN, "77": UNKNOWN}),
        ("11 f1, 12 f2, 13 f3, 14 f4, 15 f5", "77", {"77": OWN, "f5": BORROWED}),
        ("5 aa, 11 f1, 12 f2, 13 f3, 14 f4, 15 f5", "", {"aa": OWN, "f1": BORROWED, "f5": BORROWED}),
    ],
)  # fmt: skip
def test_what_follows_from_a_list(
    history: str, pinned: str, expected: dict[str, HoldReason]
) -> None:
    known = folded(NodeCredentials(), csrs_of(history), NODE, pinned.split())
    assert dict(zip(expected, reasons(known, expected), strict=True)) == expected
    assert folded(known, csrs_of(history), NODE, pinned.split()) == known
    for each, reason in expected.items():
        passes = answer(known, each).outcome is Outcome.PASS
        assert passes is (reason in (OWN, OPEN))


@pytest.mark.parametrize(
    ("history", "kept", "pinned"),
    [
        ("5 aa, 20 a1<aa, 21 a2<a1, 22 a3<a2, 23 a4<a3, 24 a5<a4", "a2 a3 a4 a5", ""),
        # The kubelet goes on with the one that it has: whatever it replaced since may never have been written.
        ("5 aa, 20 a1<aa, 21 a2<aa, 22 a3<aa, 23 a4<aa", "aa a2 a3 a4", ""),
        ("20 a1<77, 21 a2<a1, 22 a3<a2, 23 a4<a3, 24 a5<a4", "77 a3 a4 a5", "77"),
        ("20 a1<77, 21 a2<a1", "71 72 73 77 a1 a2", "71 72 73 77"),
    ],
)
def test_four_are_allowed_and_neither_a_pins_nor_the_parent_of_the_newest_is_dropped(
    history: str, kept: str, pinned: str
) -> None:
    listed = folded(NodeCredentials(), csrs_of(history), NODE, pinned.split())
    watched = NodeCredentials()
    for each in csrs_of(history):
        watched = folded(watched, [each], NODE, pinned.split())
    for known in (listed, watched):
        assert {each.certificate for each in known.allowed} == set(kept.split())
        # What was dropped is forgotten, and not that these descend from it: the same pin, or one more, keeps the newest.
        assert folded(known, csrs_of(history), NODE, pinned.split()) == known
        more = folded(known, (), NODE, [*pinned.split(), "88"]) if pinned else known
        assert known.allowed[-1] in more.allowed


def test_a_pin_that_names_no_certificate_leaves_the_list_as_it_was() -> None:
    pinned = folded(NodeCredentials(), csrs_of("5 aa, 20 78<77"), NODE, ["77"])
    left = folded(pinned, csrs_of("5 aa, 30 79<78, 31 ab<aa"), NODE)
    assert reasons(left, ["77", "78", "79", "aa", "ab"]) == [OWN, OWN, OWN, UNKNOWN, UNKNOWN]


@pytest.mark.parametrize(
    ("before", "after", "expected", "admitted"),
    [
        # Nothing tells a reinstalled machine from a thief, and the rule for new nodes takes the only one that asked.
        ("5 aa", "50 bb", {"bb": EARLIER, "aa": UNKNOWN}, {"bb": OWN, "aa": UNKNOWN}),
        ("5 aa", "50 bb, 110 bc<bb", {"bc": EARLIER}, {"bc": OWN}),
        ("5 aa", "50 bb, 51 ff", {"bb": UNKNOWN, "ff": UNKNOWN}, {"bb": UNKNOWN, "ff": UNKNOWN}),
        ("5 aa", "50 bb, 101 ff", {"ff": BORROWED}, {"bb": OWN, "ff": BORROWED}),
        # The kubelet that was there before comes back with what it had, as far as anybody knows.
        ("5 aa", "", {"aa": EARLIER, "77": EARLIER}, {"aa": EARLIER, "77": EARLIER}),
        ("", "", {"77": EARLIER}, {"77": EARLIER}),
        # What was seen of the Node before does not join with this one, though it is listed again.
        ("5 aa", "5 aa, 50 bb", {"bb": EARLIER}, {"bb": OWN, "aa": UNKNOWN}),
        ("11 ff", "11 ff, 50 bb", {"ff": BORROWED}, {"bb": OWN, "ff": BORROWED}),
        ("11 ff, 12 fe<ff", "", {"fe": BORROWED, "77": EARLIER}, {"fe": BORROWED}),
        ("11 f1, 12 f2, 13 f3, 14 f4, 15 f5", "", {"77": UNKNOWN}, {"77": UNKNOWN}),
        # The sixth was not recorded: listed again, it must not pass for the one with which the second Node joined.
        ("11 f1, 12 f2, 13 f3, 14 f4, 15 f5, 16 f6", "16 f6", {"f6": UNKNOWN}, {"f6": UNKNOWN}),
        ("11 f1, 12 f2, 13 f3, 14 f4, 15 f5, 16 f6", "16 f6, 50 bb", {"bb": UNKNOWN}, {"f6": UNKNOWN}),
    ],
)  # fmt: skip
def test_what_follows_where_an_earlier_node_had_the_name(
    before: str, after: str, expected: dict[str, HoldReason], admitted: dict[str, HoldReason]
) -> None:
    former = folded(NodeCredentials(), csrs_of(before), NODE)
    for known in (former, former.left()):
        again = folded(known, csrs_of(after), AGAIN)
        assert dict(zip(expected, reasons(again, expected), strict=True)) == expected
        shown = reasons(again, admitted, admitted=True)
        assert dict(zip(admitted, shown, strict=True)) == admitted
        pinned = folded(again, (), AGAIN, ["bb"])
        assert reasons(pinned, ["bb", "aa"]) == [OWN, UNKNOWN]
        later = LiveNode("w1", "uid-3", AGAIN.created + timedelta(hours=1))
        third = folded(again.left(), (), later)
        assert OWN not in reasons(third, ["aa", "bb", "ff", "77"], admitted=True)


def test_of_a_node_of_which_only_the_uid_is_known_every_csr_may_be_a_thiefs() -> None:
    gone = NodeCredentials(uid="uid-1").left()
    assert gone == NodeCredentials(earlier=UNKNOWN_TIME)
    assert reasons(folded(gone, csrs_of("5 aa, 50 bb"), AGAIN), ["aa", "bb"], admitted=True) == [
        UNKNOWN,
        UNKNOWN,
    ]


def test_a_name_that_had_no_node_has_nothing_to_leave() -> None:
    known = NodeCredentials(earlier=NOW, borrowed=("ff",))
    assert known.left() is known


@pytest.mark.parametrize(
    ("history", "pinned_at", "passes"),
    [
        ("5 aa, 20 ab<", None, True),
        ("20 ab<", None, True),
        ("5 aa, 11 ff", None, False),
        ("11 ff", None, False),
        ("11 ff", 11, False),  # in the same second: nobody knows which came first
        ("11 ff", 12, True),
        ("11 ff, 30 fe", 12, False),
        ("5 aa, 7 ff", None, False),
        ("5 aa, 7 ff", 11, True),
    ],
)
def test_before_1_32_a_borrowed_name_is_held_until_a_later_pin(
    history: str, pinned_at: int | None, passes: bool
) -> None:
    known = folded(NodeCredentials(), csrs_of(history), NODE, told=False)
    at = None if pinned_at is None else NOW + timedelta(seconds=pinned_at)
    for ids in (None, ()):
        found = judged(known, ids, told=False, pinned_at=at)
        assert (found.outcome is Outcome.PASS) is passes
        assert "before Kubernetes 1.32" in found.why


def test_before_1_32_a_reinstalled_node_is_held_until_a_later_pin() -> None:
    known = folded(NodeCredentials(earlier=NOW), csrs_of("50 bb"), AGAIN, told=False)
    assert judged(known, (), told=False).outcome is Outcome.CANNOT_TELL
    pinned_at = AGAIN.created + timedelta(seconds=1)
    assert judged(known, (), told=False, pinned_at=pinned_at).outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("history", "told", "expected"),
    [
        ("5 aa, 20 ab<", False, OWN),
        ("5 aa, 20 ab<", True, UNKNOWN),
        ("5 aa, 11 ff, 20 ab<", False, UNKNOWN),
        ("20 ab<", False, OPEN),
    ],
)
def test_before_1_32_what_the_node_itself_asked_for_is_its_own_unless_its_name_was_borrowed(
    history: str, told: bool, expected: HoldReason
) -> None:
    known = folded(NodeCredentials(), csrs_of(history), NODE, told=told)
    assert answer(known, "ab").reason is expected


@pytest.mark.parametrize(
    ("ids", "told", "outcome", "reason"),
    [
        ((), True, Outcome.PASS, OPEN),
        (None, True, Outcome.PASS, OPEN),
        (("JTI=77",), True, Outcome.CANNOT_TELL, UNKNOWN),
        (("X509SHA256=aa", "X509SHA256=bb"), True, Outcome.CANNOT_TELL, UNKNOWN),
        (("JTI=77",), False, Outcome.CANNOT_TELL, UNKNOWN),
    ],
)
def test_a_csr_that_was_not_made_with_one_client_certificate(
    ids: tuple[str, ...] | None, told: bool, outcome: Outcome, reason: HoldReason
) -> None:
    found = judged(folded(NodeCredentials(), csrs_of("5 aa"), NODE), ids, told=told)
    assert (found.outcome, found.reason) == (outcome, reason)


def test_what_somebody_else_asks_for_inherits_nothing_whatever_certificate_they_show() -> None:
    shown = ClientCsr("csr-ff", "w1", False, ("X509SHA256=AA",), NOW + timedelta(seconds=20), "ff")
    assert reasons(folded(NodeCredentials(), [*csrs_of("5 aa"), shown], NODE), ["ff"]) == [BORROWED]


NAMES = ["c0", "c1", "c2", "c3", "c4", "c5"]


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[ClientCsr], list[str]]:
    """CSRs of one name in the order in which they were made, and what a pin names."""
    found: list[ClientCsr] = []
    at = 6
    for name in draw(st.permutations(NAMES))[: draw(st.integers(0, len(NAMES)))]:
        at += draw(st.integers(0, 3))
        known = [each.certificate for each in found]
        parent = draw(st.sampled_from(["", "<77", *(f"<{each}" for each in known)]))
        found.append(csr_of(f"{at} {name}{parent}"))
    pinned = draw(st.lists(st.sampled_from([*NAMES, "77"]), max_size=2, unique=True))
    return found, pinned


def may_pass(certificate: str, csrs: Collection[ClientCsr], pinned: Collection[str]) -> bool:
    """The rule word for word, with nothing forgotten: the oracle."""
    made = {each.certificate: each for each in csrs}

    def line(of: str) -> list[str]:
        """It, what made its CSR, and so on; "" at the end: somebody else asked."""
        found = made.get(of)
        if found is None:
            return [of]
        parent = found.credential_ids[0].removeprefix("X509SHA256=").lower()
        return [of, *line(parent)] if found.by_node else [of, ""]

    if pinned:
        return bool(set(line(certificate)) & set(pinned))
    joined = [c.certificate for c in csrs if not c.by_node and c.created <= NODE.created]
    if joined:
        return len(joined) == 1 and joined[0] in line(certificate)
    borrowed = [each for each in made if line(each)[-1] == ""]
    return len(borrowed) <= MOST and certificate not in borrowed


def passing(known: NodeCredentials) -> set[str]:
    asked = [*NAMES, "77", "78"]
    return {each for each in asked if answer(known, each).outcome is Outcome.PASS}


def allowed_by_the_oracle(csrs: Collection[ClientCsr], pinned: Collection[str]) -> set[str]:
    return {each for each in [*NAMES, "77", "78"] if may_pass(each, csrs, pinned)}


@given(histories(), st.randoms())
@example((csrs_of("6 c0, 20 c1<c0, 21 c2<c1, 22 c3<c2, 23 c4<c3, 24 c5<c4"), []), None)
def test_a_list_says_the_same_in_every_order(
    history: tuple[list[ClientCsr], list[str]], rng: Random | None
) -> None:
    csrs, pinned = history
    known = folded(NodeCredentials(), csrs, NODE, pinned)
    assert passing(known) <= allowed_by_the_oracle(csrs, pinned)
    if len(known.allowed) < MOST:
        assert passing(known) == allowed_by_the_oracle(csrs, pinned)
    shuffled = list(reversed(csrs))
    if rng is not None:
        rng.shuffle(shuffled)
    assert folded(NodeCredentials(), shuffled, NODE, pinned) == known
    assert folded(known, shuffled, NODE, pinned) == known


@given(histories(), st.lists(st.integers(0, 6), max_size=3), st.integers(0, 6))
def test_what_is_watched_piece_by_piece_and_listed_again_is_never_laxer(
    history: tuple[list[ClientCsr], list[str]], cuts: list[int], pin_seen: int
) -> None:
    """The pin may be seen at any moment, and the CSRs up to any moment may be listed once more."""
    csrs, pinned = history
    known = NodeCredentials()
    for number, each in enumerate(csrs):
        seen = pinned if number >= pin_seen else ()
        known = folded(known, [each], NODE, seen)
        if number in cuts:
            known = folded(known, csrs[: number + 1], NODE, seen)
        if seen or not pinned:
            assert passing(known) <= allowed_by_the_oracle(csrs[: number + 1], seen)
    known = folded(known, (), NODE, pinned)
    assert passing(known) <= allowed_by_the_oracle(csrs, pinned)


@given(histories())
def test_a_gap_never_opens_a_list(history: tuple[list[ClientCsr], list[str]]) -> None:
    """Whatever is not seen from some moment on: what was closed stays closed, and only what is known passes."""
    csrs, pinned = history
    for seen in range(len(csrs) + 1):
        known = folded(NodeCredentials(), csrs[:seen], NODE, pinned)
        if known.closed:
            unseen = {each.certificate for each in csrs[seen:]} - set(pinned)
            assert not unseen & passing(known)
            assert folded(known, csrs[seen:], NODE).closed
