"""Question one: what a node's disk and kubelet need. Real surveys; what follows from them is written by hand."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kubevouch.evidence.snapshot import Served
from kubevouch.rollout.act import node_facts
from kubevouch.rollout.decide.need import Rewrite, need_of
from kubevouch.rollout.decide.plan import ChangeKind, LeftOut
from kubevouch.rollout.errors import LeadsOn
from kubevouch.tls import FailureKind, HandshakeFailure
from tests.support.rows import of_each

from .recorded import left_out, planned, recorded, rewrite

CASES = json.loads(Path(__file__).with_name("needs.json").read_text())


@of_each(CASES, named=lambda case: case["name"])
def test_a_node_needs_what_its_disk_and_its_port_say(case: dict[str, Any]) -> None:
    found = _needed(case)
    assert _in_short(found) == case["need"], found
    assert case.get("why", "") in (found.reason if isinstance(found, LeftOut) else "")


def _in_short(found: Rewrite | LeftOut | None) -> str:
    if isinstance(found, LeftOut):
        return "nothing" if found.is_well else "armed" if found.armed_run else "unknown"
    return "bootstrap" if found else "approve"


def _needed(case: dict[str, Any]) -> Rewrite | LeftOut | None:
    change = dict(case.get("change", {}))
    other = change.pop("served", "") == "another"
    seen = recorded(case["from"], change)
    look = seen.look(csr_waits=case.get("csr_waits", False), dialled=case.get("dialled", True))
    if other:
        look = replace(look, served=recorded("healthy-control-plane").seen_on_the_wire())
    return need_of(look)


def test_the_change_sets_one_key_and_keeps_every_other_byte() -> None:
    seen = recorded("expired-worker")
    change = rewrite(seen.look())
    before = seen.survey.config[0].content.decode().splitlines()
    after = change.content.decode().splitlines()
    added = [line for line in after if line not in before]
    assert [line.split("#")[0].strip() for line in added] == ["serverTLSBootstrap: true"]
    assert [line for line in after if line not in added] == before
    assert (change.disk.root, change.disk.pki) == ("/var/lib/kubelet", "/var/lib/kubelet/pki")
    assert change.disk.aside == ()


def test_old_pairs_of_the_kubelet_are_set_aside() -> None:
    """An expired kubelet-server-current.pem would win over the seed, and would then be thrown away: dark."""
    seen = recorded("healthy-worker", {"roots": "another CA's"})
    disk = rewrite(seen.look()).disk
    assert disk.aside == (
        "kubelet-server-2026-10-03-17-52-06.pem",
        "kubelet-server-current.pem",
    )
    assert disk.diff.startswith("(no change: serverTLSBootstrap is on")


def test_a_certificate_that_begins_tomorrow_is_as_good_as_none() -> None:
    """Its clock was ahead when it was certified. It is right now, and the kubelet sees nothing wrong."""
    before = timedelta(days=400)
    seen = recorded("healthy-worker", {"clock": -int(before.total_seconds())})
    rewrite(replace(seen, at=seen.at - before).look())


OUR_SIDE = HandshakeFailure(FailureKind.OUR_SIDE, "too many open files")
SWALLOWED = HandshakeFailure(
    FailureKind.HANDSHAKE_TIMEOUT, "no answer within 10 s", "net/http: TLS handshake timeout"
)


@pytest.mark.parametrize(
    ("failure", "why"),
    [
        (OUR_SIDE, "cannot be dialled from here: too many open files"),
        (SWALLOWED, "does not finish a handshake: net/http: TLS handshake timeout"),
    ],
)
def test_a_port_that_cannot_be_tried_or_swallows_what_comes_is_not_helped_by_an_approval(
    failure: HandshakeFailure, why: str
) -> None:
    seen = replace(recorded("healthy-worker"), served=(), failure=failure)
    found = left_out(seen.look())
    assert (found.leads_on, found.reason) == (LeadsOn.DOCTOR, f"the kubelet's port {why}")


@pytest.mark.parametrize(("failure", "well"), [(None, True), (SWALLOWED, False)])
async def test_a_trusted_leaf_of_a_handshake_that_fails_is_not_well(
    monkeypatch: pytest.MonkeyPatch, failure: HandshakeFailure | None, well: bool
) -> None:
    seen = recorded("healthy-worker")
    served = replace(seen, failure=failure).seen_on_the_wire()

    async def found(*_: object) -> tuple[Served, ...]:
        return (served,)

    monkeypatch.setattr(node_facts, "served_by", found)
    node = planned(seen, ChangeKind.BOOTSTRAP)
    assert await node_facts.serves_well(None, node, None) is well  # type: ignore[arg-type]


def test_a_kubelet_without_a_config_or_without_folders_is_left_out() -> None:
    seen = recorded("expired-worker")
    for gone, why in (("config", "without --config"), ("pki", "folders cannot be read")):
        survey = msgspec.structs.replace(seen.survey, **{gone: ()})
        assert why in left_out(replace(seen, survey=survey).look()).reason


def test_a_client_certificate_that_cannot_be_read_proves_no_machine() -> None:
    seen = recorded("healthy-worker")
    identity = msgspec.structs.replace(seen.survey.identity, pem=b"")
    survey = msgspec.structs.replace(seen.survey, identity=identity)
    assert not left_out(replace(seen, survey=survey).look()).armed_run
