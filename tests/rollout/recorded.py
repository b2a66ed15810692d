"""What a lab's nodes answered to a survey (surveys/, by record.py), as the facts that rules look at; each case changes one thing."""

import hashlib
import json
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from kubevouch.evidence.snapshot import Served
from kubevouch.evidence.survey import NodeSurvey
from kubevouch.kube.resources import Node
from kubevouch.kubelet.dial_result import DialResult, Target
from kubevouch.kubelet.splice import Edit, set_server_tls_bootstrap
from kubevouch.policy.claims import Claim, NameSource
from kubevouch.rollout.decide.need import Look, Rewrite, need_of
from kubevouch.rollout.decide.plan import (
    UNWRITTEN,
    ChangeKind,
    ClusterBinding,
    DiskChange,
    LeftOut,
    NodePlan,
    Plan,
)
from kubevouch.tls import Alert, FailureKind, HandshakeFailure
from kubevouch.x509 import read_certificates, verify
from tests.support.authority import Authority

SURVEYS = Path(__file__).with_name("surveys")
Change = dict[str, Any]


@dataclass(frozen=True)
class Recorded:
    """One node at one moment. Every value is as it was seen, but for what a case has changed."""

    node: Node
    survey: NodeSurvey
    roots: bytes
    served: tuple[bytes, ...]
    failure: HandshakeFailure | None
    at: datetime

    def look(self, *, csr_waits: bool = False, dialled: bool = True, proven: bool = True) -> Look:
        """proven: whether its address answered with its host key."""
        found = [a.address for a in self.node.status.addresses if a.type == "InternalIP"]
        return Look(
            node=self.node,
            survey=self.survey,
            asked=self.at,
            at=self.at,
            served=self.seen_on_the_wire() if dialled else None,
            csr_waits=csr_waits,
            host=self.node.name,
            host_key="ssh-ed25519 SHA256:key",
            known_as=self.node.name,
            confirmed=dict.fromkeys(found, NameSource.SSH_HOST_KEY) if proven else {},
        )

    def seen_on_the_wire(self) -> Served:
        address = next(a.address for a in self.node.status.addresses if a.type == "InternalIP")
        chain = tuple(each for pem in self.served for each in read_certificates(pem, "served"))
        target = Target(address, node=self.node.name, port=self.node.kubelet_port)
        dialled = DialResult(target, self.at, 0.01, chain=chain, failure=self.failure)
        verdict = (
            verify(
                chain[0],
                intermediates=chain[1:],
                roots=read_certificates(self.roots, "roots"),
                name=address,
                at=self.at,
            )
            if chain
            else None
        )
        return Served(dialled, verdict)


def left_out(look: Look) -> LeftOut:
    """Why nothing is done on a node that is not well."""
    found = need_of(look)
    assert isinstance(found, LeftOut) and not found.is_well, found
    return found


def rewrite(look: Look) -> Rewrite:
    """What is to be changed on a node."""
    found = need_of(look)
    assert isinstance(found, Rewrite), found
    return found


@cache
def _file(name: str) -> bytes:
    return (SURVEYS / f"{name}.json").read_bytes()


def recorded(name: str, change: Change | None = None) -> Recorded:
    """A recording by its name, with one thing changed. The words of a change are those of needs.json."""
    found = json.loads(_file(name))
    survey = found["survey"]
    change = dict(change or {})
    for word in ("argv", "config", "runs", "unit", "text", "device", "next_start"):
        if word in change:
            _CHANGES[word](survey, change.pop(word))
    clock = change.pop("clock", 0)
    served = change.pop("served", "")
    if served:
        other = json.loads(_file(served))
        found |= {"served": other["served"], "alert": other["alert"], "roots": other["roots"]}
    if change.pop("roots", "") == "another CA's":
        found["roots"] = Authority().pem.decode()
    if identity := change.pop("identity", ""):
        survey["identity"] = json.loads(_file(identity))["survey"]["identity"]
    for pem in change.pop("without", ()):
        survey["certificates"] = [f for f in survey["certificates"] if _text(pem) not in f["path"]]
    assert not change, f"no such change: {change}"
    failure = None
    if found["alert"] is not None:
        failure = HandshakeFailure(FailureKind.ALERT, "internal error", alert=Alert(found["alert"]))
    at = datetime.fromtimestamp(survey["clock"], UTC)
    return Recorded(
        node=msgspec.convert(found["node"], Node, strict=False),
        survey=msgspec.convert(
            survey | {"clock": survey["clock"] + clock}, NodeSurvey, strict=False
        ),
        roots=found["roots"].encode(),
        served=tuple(each.encode() for each in found["served"]),
        failure=failure,
        at=at,
    )


def _text(text: str) -> str:
    return b64encode(text.encode()).decode()


def _argv(survey: Change, words: list[str]) -> None:
    """Words behind the kubelet's own."""
    before = b64decode(survey["argv"])
    survey["argv"] = b64encode(before + b"".join(w.encode() + b"\0" for w in words)).decode()


def _config(survey: Change, text: str) -> None:
    """Text behind the kubelet's file; the digest is no longer that of the recording."""
    file = survey["config"][0]
    file["content"] = b64encode(b64decode(file["content"]) + text.encode()).decode()
    file["sha256"] = "0" * 64


def _runs(survey: Change, runs: list[list[Any]]) -> None:
    """Run, state, and in how many seconds its switch fires (none: not known)."""
    survey["runs"] = [
        {
            "run": _text(run),
            "state": _text(state),
            "fires": survey["clock"] + fires[0] if fires else 0,
        }
        for run, state, *fires in runs
    ]


def _unit(survey: Change, values: Change) -> None:
    survey["unit"] |= {k: _text(v) if isinstance(v, str) else v for k, v in values.items()}


def _texts(survey: Change, values: dict[str, str]) -> None:
    """Texts of the survey itself."""
    survey |= {key: _text(value) for key, value in values.items()}


def _next_start(survey: Change, values: Change) -> None:
    """Texts; and of files, each with the seconds from the kubelet's start to when it was written and changed."""
    started = survey["clock"] - survey["unit"]["age"]
    survey["next_start"] = {
        key: _text(value)
        if isinstance(value, str)
        else [
            {
                "path": _text(path),
                "written": int(started + wrote),
                "changed": int(started + changed),
            }
            for path, wrote, changed in value
        ]
        for key, value in values.items()
    }


def _device(survey: Change, number: int) -> None:
    """The kubelet's pki is on another file system."""
    survey["pki"][0]["device"] = number


_CHANGES: dict[str, Callable[[Change, Any], None]] = {
    "argv": _argv,
    "config": _config,
    "runs": _runs,
    "unit": _unit,
    "text": _texts,
    "device": _device,
    "next_start": _next_start,
}


def planned(seen: Recorded, change: ChangeKind, **other: object) -> NodePlan:
    """The plan of this node, as it would have been made of the truth."""
    addresses = {each.type: each.address for each in seen.node.status.addresses}
    config = seen.survey.config[0]
    edit = set_server_tls_bootstrap(config.content)
    assert isinstance(edit, Edit)
    disk = DiskChange(
        root="/var/lib/kubelet",
        pki="/var/lib/kubelet/pki",
        config="/var/lib/kubelet/config.yaml",
        config_sha256=config.sha256,
        content_sha256=hashlib.sha256(edit.after).hexdigest(),
    )
    plan = NodePlan(
        node=seen.node.name,
        uid=seen.node.uid,
        machine_id=seen.node.status.node_info.machine_id,
        host=seen.node.name,
        host_key="ssh-ed25519 SHA256:key",
        control_plane="node-role.kubernetes.io/control-plane" in seen.node.metadata.labels,
        kubelet_version="v1.36.3",
        change=change,
        dial=(addresses["InternalIP"],),
        port=seen.node.kubelet_port,
        names=(Claim(seen.node.name, NameSource.NODE_NAME),),
        addresses=(Claim(addresses["InternalIP"], NameSource.SSH_HOST_KEY),),
        disk=disk if change is ChangeKind.BOOTSTRAP else UNWRITTEN,
    )
    return bent(plan, **other)


def bent(node: NodePlan, /, **other: object) -> NodePlan:
    """The plan of a node with these fields, also those of its disk."""
    disk = {name: other.pop(name) for name in DiskChange.__struct_fields__ if name in other}
    return msgspec.structs.replace(node, disk=msgspec.structs.replace(node.disk, **disk), **other)


def tasked(name: str, stratum: str, **other: object) -> NodePlan:
    """The plan of a node of which only the name, the stratum and the role count."""
    return bent(_TASKED, node=name, stratum=stratum, **other)


def plan_of(*nodes: NodePlan, **other: object) -> Plan:
    """A plan of these nodes, run 'abcd'."""
    plan = Plan(
        run="abcd",
        made_at=datetime(2026, 11, 24, tzinfo=UTC),
        made_by="0",
        via="ssh",
        ssh_config="",
        ssh_user="",
        cluster=ClusterBinding("c", "https://10.0.0.1:6443", "uid", "sha", "v1.36.3"),
        nodes=nodes,
        left_out=(),
        config_map=None,
        config_map_note="",
    )
    return msgspec.structs.replace(plan, **other)


_TASKED = planned(recorded("expired-worker"), ChangeKind.BOOTSTRAP)
