"""The index of nodes answers as a look at all nodes does; the index of CSRs knows the newest and who showed which key."""

from base64 import b64encode
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given, settings
from hypothesis import strategies as st

from kubevouch.kube.resources import Node
from kubevouch.policy.claims import (
    AskedNames,
    Claim,
    ClaimedBy,
    NameSource,
    OtherNodes,
    other_nodes_of,
)
from kubevouch.policy.csr import Csr
from kubevouch.policy.csr_index import MOST_KEYS, CsrIndex
from kubevouch.policy.node_index import NodeIndex
from kubevouch.x509 import QuirkCode, read_csr, unmapped
from tests.support.requests import request

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
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


def node(name: str, addresses: list[str]) -> Node:
    return msgspec.convert(
        {
            "metadata": {"name": name},
            "status": {"addresses": [{"type": "InternalIP", "address": a} for a in addresses]},
        },
        Node,
    )


@settings(max_examples=400, deadline=None)
@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["w1", "w2", "w3", "10.0.0.2"]),
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
            index.put(node(name, addresses))
            nodes[name] = node(name, addresses)
    whole = other_nodes_of(asking, nodes.values(), shared, pinned)  # type: ignore[arg-type]
    names = {each.lower() for each in ASKED.names}
    places = {unmapped(each) for each in ASKED.addresses}
    assert index.others(asking, ASKED, shared, pinned) == OtherNodes(  # type: ignore[arg-type]
        names={key: by for key, by in whole.names.items() if key in names},
        addresses={key: by for key, by in whole.addresses.items() if key in places},
    )


CLAIMS = st.builds(Claim, st.sampled_from(VALUES[:-1]), st.sampled_from(NameSource))


@settings(max_examples=300, deadline=None)
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
    index, kept = NodeIndex(), dict[str, tuple[Claim, ...]]()
    index.put(node("w1", claimed))
    for name, claims in writings:
        index.put_written(name, claims)
        kept[name] = claims
    pinned = [(name, claim) for name, claims in kept.items() for claim in claims]
    whole = other_nodes_of(asking, [node("w1", claimed)], frozenset(), pinned)
    found = index.others(asking, ASKED)
    names = {each.lower() for each in ASKED.names} & set(whole.names)
    places = {unmapped(each) for each in ASKED.addresses} & set(whole.addresses)
    assert set(found.names) == names
    assert set(found.addresses) == places
    for mine, theirs in ((found.names, whole.names), (found.addresses, whole.addresses)):
        for value, by in mine.items():
            assert by.proven == theirs[value].proven  # type: ignore[index]
            assert by.node in {*kept, "w1"} - {asking}


def test_what_was_written_down_can_be_taken_back() -> None:
    index = NodeIndex()
    claim = Claim("10.0.0.1", NameSource.PIN)
    index.put_written("w1", (claim, Claim("w1", NameSource.PIN)))
    index.put_written("w2", (claim,))
    index.put_written("w2", (Claim("w2", NameSource.PIN),))
    index.put_written("w2", ())
    assert index.others("w3", ASKED).addresses[ip_address("10.0.0.1")].node == "w1"
    index.put_written("w1", ())
    assert index.others("w3", ASKED) == OtherNodes()
    assert [value for value in vars(index).values() if isinstance(value, dict) and value] == []


def test_nothing_stays_of_a_node_that_is_gone() -> None:
    index = NodeIndex()
    index.put(node("w1", ["10.0.0.1"]))
    index.put(node("w1", ["10.0.0.2"]))
    index.remove("w1")
    index.remove("w1")
    assert index.others("w2", ASKED) == OtherNodes()
    assert [value for value in vars(index).values() if isinstance(value, dict) and value] == []


def test_what_several_nodes_claim_stays_claimed_until_the_last_of_them_is_gone() -> None:
    place = ip_address("10.0.0.1")
    index = NodeIndex()
    for name in ("w1", "w1", "w2", "w3"):
        index.put(node(name, ["10.0.0.1", "10.0.0.1"]))

    def claimed_by() -> ClaimedBy | None:
        return index.others("w9", ASKED).addresses.get(place)

    assert claimed_by() == ClaimedBy("w1", proven=False)
    assert index.others("w1", ASKED).addresses == {place: ClaimedBy("w2", proven=False)}
    index.remove("w1")
    assert claimed_by() == ClaimedBy("w2", proven=False)
    index.put(node("w2", ["10.0.0.2"]))
    assert claimed_by() == ClaimedBy("w3", proven=False)
    index.put(node("w1", ["10.0.0.1"]))
    index.remove("w3")
    assert claimed_by() == ClaimedBy("w1", proven=False)
    index.remove("w1")
    assert claimed_by() is None
    index.remove("w2")
    assert [value for value in vars(index).values() if isinstance(value, dict) and value] == []


def csr(
    name: str,
    node: str = "w1",
    *,
    after: int = 0,
    cn: str | None = None,
    key: ec.EllipticCurvePrivateKey | None = None,
) -> Csr:
    pem = request(node, [node], ["10.0.0.1"], common_name=cn, key=key)
    return Csr(
        name=name,
        pem=pem,
        parsed=read_csr(pem, name),
        username=f"system:node:{node}",
        created=NOW + timedelta(seconds=after),
    )


def test_the_newest_csr_of_a_user_is_known_whatever_comes_and_goes() -> None:
    index = CsrIndex()
    assert index.newest(csr("x", "w1")) is None
    for each in (csr("a", after=5), csr("b", after=9), csr("c", after=7), csr("d", "w2", after=99)):
        index.put(each)
    index.put(csr("b", after=0))
    assert index.newest(csr("x", "w1")) == "b"
    index.remove("a")
    assert index.newest(csr("x", "w1")) == "b"
    index.remove("b")
    assert index.newest(csr("x", "w1")) == "c"
    index.remove("c")
    index.remove("c")
    assert index.newest(csr("x", "w1")) is None
    assert index.newest(csr("x", "w2")) == "d"
    assert index.newest(changed(csr("x"), username=None)) is None


def test_of_two_in_one_second_the_later_one_is_the_newest() -> None:
    index = CsrIndex()
    index.put(csr("z"))
    index.put(csr("a"))
    assert index.newest(csr("x", "w1")) == "a"


def test_a_flood_with_a_borrowed_credential_makes_no_csr_of_the_kubelet_an_old_one() -> None:
    index = CsrIndex()
    own = changed(csr("a", after=1), credential_ids=("X509SHA256=aa",))
    index.put(own)
    for number in range(20):
        flood = csr(f"f{number}", after=2 + number)
        index.put(changed(flood, credential_ids=("X509SHA256=ff",)))
    assert index.newest(own) == "a"
    assert index.newest(changed(own, credential_ids=("X509SHA256=ff",))) == "f19"
    index.remove("a")
    assert index.newest(own) is None


def test_a_bare_csr_is_nobodys() -> None:
    index = CsrIndex()
    index.put(changed(csr("a"), username=None))
    index.put(changed(csr("b"), created=None))
    assert index.newest(csr("x", "w1")) is None


def changed(found: Csr, **more: object) -> Csr:
    return msgspec.structs.replace(found, **more)


def test_who_has_shown_a_key_is_remembered_when_the_csr_is_gone() -> None:
    index = CsrIndex()
    key = ec.generate_private_key(ec.SECP256R1())
    index.put(csr("a", "w1", key=key))
    index.remove("a")
    again = csr("b", "w2", key=key)
    assert index.shown_by(again) == frozenset({"w1"})
    index.put(again)
    assert index.shown_by(again) == frozenset({"w1", "w2"})
    assert index.shown_by(csr("c")) == frozenset()


def test_whoever_asks_in_another_nodes_name_has_not_shown_that_key() -> None:
    index = CsrIndex()
    key = ec.generate_private_key(ec.SECP256R1())
    index.put(csr("a", "w2", cn="system:node:w1", key=key))
    index.put(changed(csr("b", "w1", key=key), username="admin"))
    index.put(changed(csr("c", "w1", key=key), parsed=None))
    assert index.shown_by(csr("d", "w1", key=key)) == frozenset()
    assert index.shown_by(changed(csr("d"), parsed=None)) is None


def test_a_node_that_shows_many_keys_crowds_out_its_own_only() -> None:
    index = CsrIndex()
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(MOST_KEYS + 2)]
    index.put(csr("other", "w2", key=keys[0]))
    for number, key in enumerate(keys):
        index.put(csr(f"c{number}", "w1", key=key))
    index.put(csr("again", "w1", key=keys[-1]))
    assert index.shown_by(csr("x", key=keys[0])) == frozenset({"w2"})
    assert index.shown_by(csr("x", key=keys[1])) == frozenset()
    assert index.shown_by(csr("x", key=keys[2])) == frozenset({"w1"})


def test_whoever_copied_a_key_and_could_not_sign_with_it_has_not_shown_it() -> None:
    """Every node may read the CSRs of the others. What it asks for in its own name must not hold theirs."""
    index = CsrIndex()
    honest = csr("a", "w1")
    index.put(honest)
    assert honest.parsed is not None
    unsigned = csr("b", "w2").parsed
    assert unsigned is not None
    copied = unsigned.der.replace(unsigned.key.point, honest.parsed.key.point)
    pem = b64encode(copied).decode()
    text = "\n".join(pem[at : at + 64] for at in range(0, len(pem), 64))
    label = "CERTIFICATE REQUEST"
    data = f"-----BEGIN {label}-----\n{text}\n-----END {label}-----\n".encode()
    parsed = read_csr(data, "b")
    assert [each.code for each in parsed.quirks] == [QuirkCode.SIGNATURE]
    index.put(changed(csr("b", "w2"), pem=data, parsed=parsed))
    assert index.shown_by(honest) == frozenset({"w1"})


def test_the_newest_is_the_newest_by_its_time_and_not_by_its_name() -> None:
    index = CsrIndex()
    for each in (csr("z", after=1), csr("a", after=2), csr("m", after=3)):
        index.put(each)
    index.remove("m")
    assert index.newest(csr("x", "w1")) == "a"


def test_of_several_nodes_that_claim_a_value_the_one_with_proof_is_told_else_the_first() -> None:
    index = NodeIndex()
    for name, addresses in {
        "w9": ["10.0.0.1", "Shared", "w2"],
        "w2": ["10.0.0.1", "shared", "127.0.0.1", "10.0.0.2"],
        "w3": ["::ffff:10.0.0.1", "FD00:0::1"],
    }.items():
        index.put(node(name, addresses))
    index.put_written("gone", (Claim("10.0.0.2", NameSource.PIN), Claim("fd00::1", NameSource.NODE_STATUS)))  # fmt: skip
    asked = AskedNames(
        ("SHARED", "w2", "nobody"),
        tuple(map(ip_address, ("10.0.0.1", "10.0.0.2", "fd00::1", "127.0.0.1", "10.0.0.7", "10.0.0.8"))),
    )  # fmt: skip
    pinned = [
        ("w3", Claim("10.0.0.7", NameSource.NODE_STATUS)),
        ("w1", Claim("10.0.0.8", NameSource.PIN)),
        ("w9", Claim("10.0.0.8", NameSource.OPERATOR)),
    ]
    shared = {ip_address("127.0.0.1")}
    assert index.others("w1", asked, shared, pinned) == OtherNodes(
        names={"shared": ClaimedBy("w9", proven=False), "w2": ClaimedBy("w2", proven=True)},
        addresses={
            ip_address("10.0.0.1"): ClaimedBy("w9", proven=False),
            ip_address("10.0.0.2"): ClaimedBy("gone", proven=True),
            ip_address("fd00::1"): ClaimedBy("w3", proven=False),
            ip_address("10.0.0.7"): ClaimedBy("w3", proven=False),
            ip_address("10.0.0.8"): ClaimedBy("w9", proven=True),
        },
    )
    assert index.others("w9", asked, shared) == OtherNodes(
        names={"shared": ClaimedBy("w2", proven=False), "w2": ClaimedBy("w2", proven=True)},
        addresses={
            ip_address("10.0.0.1"): ClaimedBy("w2", proven=False),
            ip_address("10.0.0.2"): ClaimedBy("gone", proven=True),
            ip_address("fd00::1"): ClaimedBy("w3", proven=False),
        },
    )


def test_what_is_written_down_twice_for_a_node_is_proven_once_and_gone_at_once() -> None:
    index = NodeIndex()
    place = ip_address("10.0.0.1")
    index.put_written("w1", (Claim("10.0.0.1", NameSource.PIN), Claim("::ffff:10.0.0.1", NameSource.NODE_STATUS)))  # fmt: skip
    found = index.others("w2", AskedNames((), (place,)))
    assert found == OtherNodes(addresses={place: ClaimedBy("w1", proven=True)})
    index.put_written("w1", ())
    index.put_written("w1", ())
    assert index.others("w2", AskedNames((), (place,))) == OtherNodes()
