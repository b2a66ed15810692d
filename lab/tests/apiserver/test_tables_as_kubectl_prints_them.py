"""Recorded: what kubectl 1.36 printed on a real kubeadm 1.36 cluster, and the objects a moment later."""

import json
import re
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubevouch_lab.apiserver.kinds import (
    API_SERVICES,
    CLUSTER_ROLES,
    CSRS,
    DEPLOYMENTS,
    ENDPOINT_SLICES,
    EVENTS,
    KINDS,
    NODES,
    PODS,
    SERVICES,
    Kind,
    kind_of,
)
from kubevouch_lab.apiserver.tables.cells import human_duration
from kubevouch_lab.apiserver.tables.table import IncludeObject, table_for
from lab.tests.apiserver.bench import Bench

RECORDED = Path(__file__).parent / "recorded"
STAGES = ("expired", "pending", "fixed")
NOW = datetime(2026, 11, 24, 23, 0, tzinfo=UTC)
COMMANDS = {
    "kubectl get nodes": NODES,
    "kubectl get csr": CSRS,
    "kubectl get apiservice": API_SERVICES,
    "kubectl get -n kube-system deploy": DEPLOYMENTS,
    "kubectl get -n kube-system pods -o wide": PODS,
}


@cache
def recorded_objects(stage: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = json.loads((RECORDED / f"{stage}.json").read_text())["items"]
    return items


def objects(stage: str, kind: Kind) -> list[dict[str, Any]]:
    return [
        one for one in recorded_objects(stage) if kind_of(one["apiVersion"], one["kind"]) is kind
    ]


def printed(stage: str, command: str) -> tuple[list[str], dict[str, list[str]]]:
    """The head of a recorded table, and its rows by name."""
    text = (RECORDED / f"{stage}.txt").read_text()
    block = text.split(f"$ {command}\n", 1)[1].split("\n$", 1)[0]
    head, *rows = [re.split(r" {3,}", line.rstrip()) for line in block.splitlines()]
    return head, {row[0]: row for row in rows}


def table(kind: Kind, *things: dict[str, Any], now: datetime = NOW) -> dict[str, Any]:
    return table_for(kind, things, list_metadata={}, include_object="None", now=now)


def shown(kind: Kind, *things: dict[str, Any], now: datetime, wide: bool) -> list[list[str]]:
    made = table(kind, *things, now=now)
    kept = [
        index
        for index, column in enumerate(made["columnDefinitions"])
        if wide or not column["priority"]
    ]
    return [[str(row["cells"][index]) for index in kept] for row in made["rows"]]


def cells(kind: Kind, thing: dict[str, Any], now: datetime = NOW) -> dict[str, Any]:
    made = table(kind, {"metadata": {"name": "it"}, **thing}, now=now)
    names = [column["name"] for column in made["columnDefinitions"]]
    (row,) = made["rows"]
    assert len(names) == len(row["cells"])
    return dict(zip(names, row["cells"], strict=True))


# What Go 1.24's HumanDuration of apimachinery 0.36 gives for these seconds.
AGES = {
    -2.0: "<invalid>", -1.9: "0s", 0: "0s", 119.9: "119s", 120: "2m", 121: "2m1s", 599: "9m59s", 600: "10m",
    10799: "179m", 10800: "3h", 10860: "3h1m", 28800: "8h", 172799: "47h", 172800: "2d", 176400: "2d1h",
    691199: "7d23h", 691200: "8d", 63071999: "729d", 63072000: "2y", 63158400: "2y1d", 252287999: "7y364d",
    252288000: "8y",
}  # fmt: skip


def test_an_age_is_what_go_makes_of_it() -> None:
    assert {seconds: human_duration(seconds) for seconds in AGES} == AGES


def _pod(phase: str, *states: Any, ready: bool = False, **more: Any) -> dict[str, Any]:
    """more: of the status."""
    statuses = [{"name": "c", "ready": ready, "restartCount": 0, "state": each} for each in states]
    status = {"phase": phase, "containerStatuses": statuses, **more}
    return {"spec": {"containers": [{} for _ in states or (0,)]}, "status": status}


RUNNING: Any = {"running": {}}
COMPLETED = {"terminated": {"exitCode": 0, "reason": "Completed"}}
READY: Any = {"conditions": [{"type": "Ready", "status": "True"}]}
ADDRESSES = [f"10.0.0.{n}" for n in range(1, 6)]
LOST_NODE = {
    "metadata": {"name": "w1", "labels": {"node-role.kubernetes.io/edge": ""}},
    "spec": {"unschedulable": True},
    "status": {"conditions": [{"type": "Ready", "status": "Unknown"}]},
}
AN_EVENT = {"Last Seen": "60s", "Object": "node/w1", "Message": "m"}
# Kind, object, and some of its cells.
CELLS: list[tuple[Kind, dict[str, Any], dict[str, Any]]] = [
    (NODES, {}, {"Status": "Unknown", "Roles": "<none>", "OS-Image": "<unknown>"}),
    (NODES, LOST_NODE, {"Status": "NotReady,SchedulingDisabled", "Roles": "edge"}),
    (PODS, _pod("Pending"), {"Status": "Pending", "Ready": "0/1", "Node": "<none>"}),
    (PODS, _pod("Running", RUNNING, ready=True), {"Status": "Running", "Ready": "1/1"}),
    (PODS, _pod("Failed", reason="Evicted"), {"Status": "Evicted"}),
    (PODS, _pod("Running", {"waiting": {"reason": "CrashLoopBackOff"}}), {"Status": "CrashLoopBackOff"}),
    (PODS, _pod("Failed", {"terminated": {"exitCode": 2}}), {"Status": "ExitCode:2"}),
    (PODS, _pod("Running", COMPLETED, RUNNING), {"Status": "NotReady"}),
    (PODS, _pod("Running", COMPLETED, RUNNING, **READY), {"Status": "Running"}),
    (ENDPOINT_SLICES, {"endpoints": []}, {"Endpoints": "<unset>"}),
    (ENDPOINT_SLICES, {"endpoints": [{"addresses": ADDRESSES}]}, {"Endpoints": "10.0.0.1,10.0.0.2,10.0.0.3 + 2 more..."}),
    (CLUSTER_ROLES, {"metadata": {"name": "it", "creationTimestamp": "2026-11-24T22:59:27Z"}}, {"Created At": "2026-11-24T22:59:27Z"}),
    (SERVICES, objects("fixed", SERVICES)[0], {"Type": "ClusterIP", "Port(s)": "443/TCP", "External-IP": "<none>", "Selector": "k8s-app=metrics-server"}),
    (NODES, objects("fixed", NODES)[0], {"Internal-IP": "192.168.88.111", "External-IP": "<none>", "Kernel-Version": "6.18.44-fc-v669 (amd64)", "Container-Runtime": "containerd://1.6.20"}),
    (PODS, {"status": {"containerStatuses": [{"restartCount": 3, "lastState": {"terminated": {"finishedAt": "2026-11-24T22:58:00Z", "exitCode": 1}}}]}}, {"Restarts": "3 (2m ago)"}),
    (EVENTS, {"involvedObject": {"kind": "Node", "name": "w1"}, "message": " m ", "lastTimestamp": "2026-11-24T22:59:00Z"}, AN_EVENT),
    (KINDS["events.k8s.io", "v1", "events"], {"regarding": {"kind": "Node", "name": "w1"}, "note": "m", "eventTime": "2026-11-24T22:59:00.1Z"}, AN_EVENT | {"Last Seen": "59s"}),
    *(
        (CSRS, {"spec": {"expirationSeconds": 86400 * 365}, "status": {"conditions": [{"type": one} for one in types], "certificate": issued}}, {"Condition": text, "RequestedDuration": "365d"})
        for types, issued, text in (
            ([], "", "Pending"),
            (["Approved"], "", "Approved"),
            (["Approved"], "LS0t", "Approved,Issued"),
            (["Approved", "Denied"], "", "Denied"),
            (["Approved", "Failed"], "", "Approved,Failed"),
        )
    ),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "thing", "wanted"), CELLS)
def test_a_cell_is_the_real_printers(
    kind: Kind, thing: dict[str, Any], wanted: dict[str, Any]
) -> None:
    found = cells(kind, thing)
    assert {name: found[name] for name in wanted} == wanted


@pytest.mark.parametrize(
    ("include", "kind"),
    [("None", None), ("Metadata", "PartialObjectMetadata"), ("Object", "Node")],
)
def test_a_row_carries_as_much_of_its_object_as_was_asked_for(
    include: IncludeObject, kind: str | None
) -> None:
    node = objects("fixed", NODES)[0]
    metadata = {"resourceVersion": "7"}
    made = table_for(NODES, [node], list_metadata=metadata, include_object=include, now=NOW)
    (row,) = made["rows"]
    assert (row["object"] or {}).get("kind") == kind
    assert made["metadata"] == metadata


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2),
    max_leaves=4,
)


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.resource)
@settings(max_examples=15, deadline=None)
@given(spec=_JSON, status=_JSON, subjects=_JSON)
def test_an_object_of_a_strange_shape_is_still_a_row(
    kind: Kind, spec: Any, status: Any, subjects: Any
) -> None:
    thing = {"metadata": {"name": "it"}, "spec": spec, "status": status, "subjects": subjects}
    assert cells(kind, thing)


# Real kubectl on the objects of a real cluster, kept in the lab: it must print what it printed there.


CSR_FILE = Path(__file__).parents[3] / "tests/fixtures/kubeadm-1.36" / "csr.json"


def keep(lab: Bench, stage: str) -> None:
    for thing in recorded_objects(stage):
        kind = kind_of(thing["apiVersion"], thing["kind"])
        assert kind
        lab.store.create(kind, thing)


def turn_to(lab: Bench, stage: str, command: str) -> None:
    """The clock, to the moment at which the command was given."""
    kind, things = COMMANDS[command], objects(stage, COMMANDS[command])
    _, rows = printed(stage, command)
    expected = [rows[thing["metadata"]["name"]] for thing in things]
    newest = max(datetime.fromisoformat(one["metadata"]["creationTimestamp"]) for one in things)
    moments = (newest + timedelta(seconds=second) for second in range(600))
    wide = command.endswith("wide")
    now = next(now for now in moments if shown(kind, *things, now=now, wide=wide) == expected)
    lab.clock.wind(now - lab.clock.now())


@pytest.mark.parametrize("stage", STAGES)
async def test_every_table_is_the_recorded_one_to_the_letter(lab: Bench, stage: str) -> None:
    keep(lab, stage)
    for command, kind in COMMANDS.items():
        turn_to(lab, stage, command)
        text = (RECORDED / f"{stage}.txt").read_text().split(f"$ {command}\n", 1)[1]
        recorded = text.split("\n$", 1)[0].splitlines()
        if kind is API_SERVICES:  # of the others the objects were not recorded
            assert (await lab.does(*command.split()[1:])).splitlines()[1].split() == [
                word for line in recorded if "metrics" in line for word in line.split()
            ]
            continue
        assert (await lab.does(*command.split()[1:])).splitlines() == recorded


async def test_described_requests_are_the_recorded_ones(lab: Bench) -> None:
    """But for how far lines are indented, which differs from one kubectl to the next; and events, which are gone."""
    for thing in json.loads(CSR_FILE.read_text())["items"]:
        lab.store.create(CSRS, thing)
    recorded = (RECORDED / "describe-csr.txt").read_text()
    names = re.findall(r"^Name: +(\S+)$", recorded, re.MULTILINE)
    text = await lab.does("describe", "csr", *names, "--show-events=false")
    assert [line.strip() for line in text.splitlines()] == [
        line.strip() for line in recorded.splitlines()
    ]
