"""From a planned node and its survey to the words of the transaction script, and the seed that goes with it."""

import hashlib
from datetime import datetime, timedelta
from ipaddress import ip_address

from kubevouch.evidence.survey import NodeSurvey
from kubevouch.kubelet.splice import Refusal, set_server_tls_bootstrap
from kubevouch.rollout.decide.plan import NodePlan, SeedKind
from kubevouch.rollout.decide.transaction import NodeChange, Seed
from kubevouch.rollout.errors import StoppedBefore
from kubevouch.x509 import kubelet_self_signed

SEED_LIFE = timedelta(hours=24)
"""Longer than any run, and short enough that nobody comes to rely on it."""


def change_of(node: NodePlan, seen: NodeSurvey, run: str, switch_seconds: int) -> NodeChange:
    """The change in the script's words. The content is made anew from what is on the disk, and must be the planned one.

    Raises:
        StoppedBefore: it is not.
    """
    config = next(each for each in seen.config if each.text_path == node.config)
    edit = set_server_tls_bootstrap(config.content)
    if isinstance(edit, Refusal):
        raise StoppedBefore(node.node, f"{node.config}: {edit}")
    if hashlib.sha256(edit.after).hexdigest() != node.content_sha256:
        raise StoppedBefore(node.node, f"the edit of {node.config} is not the one in the plan")
    return _change(node, seen, run, edit.after, switch_seconds)


def change_to_undo(node: NodePlan, seen: NodeSurvey, run: str) -> NodeChange:
    """The same words for an undo: the new content is not needed, its hash is."""
    return _change(node, seen, run, b"", 0)


def _change(
    node: NodePlan, seen: NodeSurvey, run: str, content: bytes, switch_seconds: int
) -> NodeChange:
    return NodeChange(
        run=run,
        machine_id=node.machine_id,
        identity_path=seen.identity.path.decode(),
        identity_sha256=seen.identity.sha256,
        root=node.root,
        pki=node.pki,
        config=node.config,
        config_sha256=node.config_sha256,
        content=content,
        content_sha256=node.content_sha256,
        switch_seconds=switch_seconds,
    )


def seed_of(
    node: NodePlan, seen: NodeSurvey, *, now: datetime, serials: tuple[int, int]
) -> Seed | None:
    """A fresh self-signed pair in the kubelet's own form; None where its own is still good. serials: of its CA and of itself."""
    if node.seed is SeedKind.COPY:
        return None
    made = kubelet_self_signed(
        seen.hostname.decode(errors="replace").strip().lower() or node.node,
        addresses=[ip_address(entry.value) for entry in node.addresses],
        now=now,
        lifetime=SEED_LIFE,
        serials=serials,
    )
    return Seed(chain_pem=made.chain_pem, key_pem=made.key_pem)
