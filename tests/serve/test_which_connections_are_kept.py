"""Who gives way when more connections come than there is room for."""

from kubevouch.serve.connections import ConnectionLimits, Connections


def connections(**limits: float) -> Connections[str]:
    return Connections(ConnectionLimits(**limits))  # type: ignore[arg-type]


def test_of_the_peer_with_most_the_quietest_gives_way() -> None:
    found = connections(strangers=4, strangers_of_a_peer=3)
    for at, (key, peer) in enumerate([("a1", "a"), ("b1", "b"), ("b2", "b"), ("b3", "b")]):
        assert found.begin(key, peer, at) is None
    assert found.begin("c1", "c", 9) == "b1"
    found.forget("b1")
    assert found.begin("b4", "b", 10) == "b2"


def test_where_everybody_is_being_answered_the_newest_gives_way() -> None:
    found = connections(strangers=1)
    found.begin("a", "a", 0)
    found.ask("a")
    assert found.begin("b", "b", 1) == "b"
    found.forget("b")
    found.answer("a", 2)
    assert found.begin("c", "c", 3) == "a"


def test_known_clients_and_strangers_have_room_apart() -> None:
    found = connections(known=1, strangers=1)
    found.begin("proxy", "a", 0)
    assert found.know("proxy") is None
    assert found.begin("stranger", "a", 1) is None
    assert found.begin("another", "a", 2) == "stranger"
    found.forget("stranger")
    assert found.know("another") == "proxy"
    assert found.know("proxy") is None  # known already


def test_no_number_of_addresses_with_a_certificate_pushes_out_the_front_proxy() -> None:
    """A node has one, and all addresses of its pods: whoever has most gave way, and that was the API server."""
    found = connections(known=4)
    for number in range(3):
        found.begin(f"proxy-{number}", "a", 0)
        assert found.know(f"proxy-{number}", first=True) is None
    for number in range(4):
        found.begin(f"node-{number}", f"fd00::{number}", 1)
        assert found.know(f"node-{number}") is None
    found.begin("node-4", "fd00::4", 2)
    assert found.know("node-4") == "node-0"
    for number in (3, 4):
        found.begin(f"proxy-{number}", "a", 3)
    assert found.know("proxy-3", first=True) is None
    assert found.know("proxy-4", first=True) == "proxy-0"


def test_a_stranger_is_overdue_sooner_and_nobody_while_it_is_being_answered() -> None:
    found = connections(patience=10, idle=100)
    for key in ("stranger", "known", "asking"):
        found.begin(key, "a", 0)
    found.know("known")
    found.ask("asking")
    assert found.overdue(10) == []
    assert found.overdue(11) == ["stranger"]
    assert found.overdue(101) == ["stranger", "known"]
    found.answer("asking", 101)
    assert found.overdue(112) == ["stranger", "known", "asking"]


def test_who_is_not_there_is_nobodys_affair() -> None:
    found = connections()
    for each in (found.ask, found.forget, found.know):
        assert each("gone") is None
    found.answer("gone", 1)
    assert len(found) == 0
