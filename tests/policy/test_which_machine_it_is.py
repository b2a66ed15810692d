"""Machines cloned from one image: what two nodes share tells neither from the other."""

from kubevouch.policy.machines import (
    HOST_KEY,
    MACHINE_ID,
    MachineIdentity,
    SharedIdentity,
    shared_identities,
    sharing,
)


def test_four_clones_share_their_id_and_two_of_them_their_host_key() -> None:
    machines = [
        MachineIdentity("w3", "same", "SHA256:c"),
        MachineIdentity("w1", "same", "SHA256:a"),
        MachineIdentity("w2", "same", "SHA256:a"),
        MachineIdentity("cp", "own", "SHA256:d"),
    ]
    shared = shared_identities(machines)
    assert shared == (
        SharedIdentity(MACHINE_ID, "same", ("w1", "w2", "w3")),
        SharedIdentity(HOST_KEY, "SHA256:a", ("w1", "w2")),
    )
    assert sharing(shared, HOST_KEY) == {"w1", "w2"}
    assert sharing(shared, MACHINE_ID) == {"w1", "w2", "w3"}
    assert str(shared[1]) == (
        "w1, w2 have the same ssh host key (SHA256:a), so it identifies none of them"
    )


def test_what_is_not_known_is_not_shared() -> None:
    assert shared_identities([MachineIdentity("w1"), MachineIdentity("w2")]) == ()


def test_one_node_seen_twice_shares_nothing() -> None:
    again = MachineIdentity("w1", "id", "key")
    assert shared_identities([again, again]) == ()
