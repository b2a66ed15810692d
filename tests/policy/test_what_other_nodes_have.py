"""The index of nodes answers as a look at all nodes does."""

from ipaddress import ip_address
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubevouch.kube.resources import Node
from kubevouch.policy.claims import (
    AskedNames,
    Claim,
    ClaimedBy,
    NameSource,
    OtherNodes,
    compared,
)
from kubevouch.policy.node_index import NodeIndex, WrittenClaims
from kubevouch.x509 import unmapped
from tests.policy.look_at_all_nodes import other_nodes_of
from tests.support.nodes import node
from tests.support.unhurried import examples

NAMES = ["w1", "w2", "w3", "10.0.0.2", "W2", "w2.example.com"]
VALUES = [
    *NAMES,
    "10.0.0.1",
    "::ffff:10.0.0.1",
    "10.0.0.2",
    "fd00::1",
    "FD00:0::1",
    "127.0.0.1",
    "",
]
ASKED = AskedNames(
    ("w1", "W2", "w3", "10.0.0.2", "w2.example.com", "nobody"),
    tuple(map(ip_address, ["10.0.0.1", "::ffff:10.0.0.1", "10.0.0.2", "fd00::1", "127.0.0.1", "10.0.0.9"])),
)  # fmt: skip


@examples(400)
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["w1", "w2", "W2", "w3", "10.0.0.2"]),
            st.none() | st.lists(st.sampled_from(VALUES), max_size=4),
        ),
        max_size=12,
    ),
    pinned=st.lists(
        st.tuples(
            st.sampled_from(["w1", "w2", "gone"]),
            st.builds(Claim, st.sampled_from(VALUES[:-1]), st.sampled_from(NameSource)),
        ),
        max_size=4,
    ),
    shared=st.sampled_from([frozenset(), frozenset({ip_address("127.0.0.1")})]),
    asking=st.sampled_from(["w1", "w2", "gone", ""]),
)
def test_the_index_answers_as_a_look_at_all_nodes_does(
    steps: list[tuple[str, list[str] | None]],
    pinned: list[tuple[str, Claim]],
    shared: frozenset[object],
    asking: str,
) -> None:
    index, nodes = NodeIndex(), dict[str, Node]()
    for name, addresses in steps:
        if addresses is None:
            index.remove(name)
            nodes.pop(name, None)
        else:
            index.put(node(name, *addresses))
            nodes[name] = node(name, *addresses)
    whole = other_nodes_of(asking, nodes.values(), shared, pinned)  # type: ignore[arg-type]
    names = {each.lower() for each in ASKED.names}
    places = {unmapped(each) for each in ASKED.addresses}
    assert index.others(asking, ASKED, shared, pinned) == OtherNodes(  # type: ignore[arg-type]
        names={key: by for key, by in whole.names.items() if key in names},
        addresses={key: by for key, by in whole.addresses.items() if key in places},
    )


@examples(200)
@given(
    claims=st.dictionaries(
        st.sampled_from(["w1", "w2", "w3", "W2", "10.0.0.2"]),
        st.lists(st.sampled_from(VALUES), max_size=4),
    ),
    asked=st.sampled_from(VALUES),
)
def test_who_is_called_so_and_who_claims_it_is_told_as_a_look_at_all_nodes_tells(
    claims: dict[str, list[str]], asked: str
) -> None:
    index = NodeIndex(node(name, *addresses) for name, addresses in claims.items())
    assert index.called(asked) == {e for e in claims if compared(e) == compared(asked)}
    claimants = {
        e for e, has in claims.items() if compared(asked) in map(compared, filter(None, has))
    }
    assert index.claimants(compared(asked)) == claimants


CLAIMS = st.builds(Claim, st.sampled_from(VALUES[:-1]), st.sampled_from(NameSource))


@examples(300)
@given(
    writings=st.lists(
        st.tuples(
            st.sampled_from(["w1", "w2", "w3", "gone"]), st.lists(CLAIMS, max_size=3).map(tuple)
        ),
        max_size=8,
    ),
    claimed=st.lists(st.sampled_from(VALUES), max_size=3),
    asking=st.sampled_from(["w1", "w2", "gone"]),
)
def test_what_is_written_down_is_found_as_if_it_were_told_each_time(
    writings: list[tuple[str, tuple[Claim, ...]]], claimed: list[str], asking: str
) -> None:
    index, written, kept = NodeIndex(), WrittenClaims(), dict[str, tuple[Claim, ...]]()
    index.put(node("w1", *claimed))
    for name, claims in writings:
        written.put(name, claims)
        kept[name] = claims
    pinned = [(name, claim) for name, claims in kept.items() for claim in claims]
    whole = other_nodes_of(asking, [node("w1", *claimed)], frozenset(), pinned)
    found = index.others(asking, ASKED, (), written.among(ASKED))
    names = {each.lower() for each in ASKED.names} & set(whole.names)
    places = {unmapped(each) for each in ASKED.addresses} & set(whole.addresses)
    assert set(found.names) == names
    assert set(found.addresses) == places
    for mine, theirs in ((found.names, whole.names), (found.addresses, whole.addresses)):
        for value, by in mine.items():
            assert by.proven == theirs[value].proven  # type: ignore[index]
            assert by.node in {*kept, "w1"} - {asking}


def test_what_was_written_down_can_be_taken_back() -> None:
    index, written = NodeIndex(), WrittenClaims()
    claim = Claim("10.0.0.1", NameSource.PIN)
    written.put("w1", (claim, Claim("w1", NameSource.PIN)))
    written.put("w2", (claim,))
    written.put("w2", (Claim("w2", NameSource.PIN),))
    written.put("w2", ())
    found = index.others("w3", ASKED, (), written.among(ASKED))
    assert found.addresses[ip_address("10.0.0.1")].node == "w1"
    written.put("w1", ())
    assert index.others("w3", ASKED, (), written.among(ASKED)) == OtherNodes()
    assert [value for value in vars(written).values() if value] == []


def test_a_node_whose_name_differs_by_case_only_hides_nobodys() -> None:
    index = NodeIndex([node("w2"), node("W2")])
    assert index.others("W2", ASKED).names == {"w2": ClaimedBy("w2", proven=True, by_name=True)}
    assert index.others("w2", ASKED).names == {"w2": ClaimedBy("W2", proven=True, by_name=True)}
    assert index.others("w1", ASKED).names == {"w2": ClaimedBy("W2", proven=True, by_name=True)}
    assert index.called("w2") == {"w2", "W2"}
    index.remove("W2")
    assert index.others("w1", ASKED).names == {"w2": ClaimedBy("w2", proven=True, by_name=True)}


def test_nothing_stays_of_a_node_that_is_gone() -> None:
    index = NodeIndex()
    index.put(node("w1", "10.0.0.1"))
    index.put(node("w1", "10.0.0.2"))
    index.remove("w1")
    index.remove("w1")
    assert index.others("w2", ASKED) == OtherNodes()
    assert [value for value in vars(index).values() if isinstance(value, dict) and value] == []


PINNED = Claim("10.0.0.9", NameSource.PIN)
ADMITTED = Claim("10.0.0.9", NameSource.NEW_NODE_RULE)


@pytest.mark.parametrize("written", list(permutations([("w2", PINNED), ("w3", ADMITTED), ("w4", ADMITTED)])))  # fmt: skip
def test_what_an_operator_wrote_down_goes_before_what_the_rule_for_new_nodes_admitted(
    written: tuple[tuple[str, Claim], ...],
) -> None:
    asked, address = AskedNames((), (ip_address("10.0.0.9"),)), ip_address("10.0.0.9")
    index = NodeIndex()
    pinned = ClaimedBy("w2", proven=True, by_pin=True)
    assert index.others("w1", asked, (), written).addresses == {address: pinned}
    assert other_nodes_of("w1", (), frozenset(), written).addresses == {address: pinned}
    admitted = [each for each in written if each[1] is ADMITTED]
    last = ClaimedBy(admitted[-1][0], proven=True, by_rule=True)
    assert index.others("w2", asked, (), written).addresses == {address: last}
    assert other_nodes_of("w2", (), frozenset(), written).addresses == {address: last}
