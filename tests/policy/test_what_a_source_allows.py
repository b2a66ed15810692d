"""What a node may have by one source, field by field: its own name is its own whoever claims it, and what is not listed is told."""

import msgspec
import pytest

from kubevouch.kube.resources import Node
from kubevouch.policy.claims import AllowedNames, Claim, NameSource
from kubevouch.policy.reasons import HoldReason
from kubevouch.policy.sources.allowing import allowed_by, not_valid_now

NODE = msgspec.convert(
    {
        "metadata": {"name": "w1", "labels": {"node-role.kubernetes.io/control-plane": ""}},
        "status": {
            "addresses": [
                {"type": "InternalIP", "address": each}
                for each in ("w1", "alias", "10.0.0.1", "FD00:0::1", "::ffff:10.0.0.9")
            ]
        },
    },
    Node,
)


@pytest.mark.parametrize(
    ("source", "own"),
    [
        (NameSource.PIN, NameSource.PIN),
        (NameSource.INVENTORY, NameSource.INVENTORY),
        (NameSource.LIVE_CERTIFICATE, NameSource.NODE_NAME),
        (NameSource.NEW_NODE_RULE, NameSource.NODE_NAME),
    ],
)
def test_what_a_source_lists_is_its_word_but_the_nodes_own_name(
    source: NameSource, own: NameSource
) -> None:
    found = allowed_by(
        NODE, (("w1", "shop"), ("10.0.0.1", "fd00::1")), source, outdated="old", listed="by alice"
    )
    assert found == AllowedNames(
        node="w1",
        names=(Claim("w1", own), Claim("shop", source)),
        addresses=(Claim("10.0.0.1", source), Claim("fd00::1", source)),
        control_plane=True,
        outdated="old",
        unlisted=("alias", "10.0.0.9"),
        listed="by alice",
    )


def test_a_node_that_gets_nothing_now_is_told_why() -> None:
    assert not_valid_now(NODE, "too many", HoldReason.TOO_MANY_NEW_NODES) == AllowedNames(
        node="w1",
        control_plane=True,
        outdated="too many",
        not_valid=HoldReason.TOO_MANY_NEW_NODES,
    )
