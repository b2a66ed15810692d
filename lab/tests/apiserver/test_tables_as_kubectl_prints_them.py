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
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    CSRS,
    DEPLOYMENTS,
    ENDPOINT_SLICES,
    ENDPOINTS,
    EVENTS,
    KINDS,
    NODES,
    PODS,
    SERVICES,
    Kind,
    kind_of,
)
from kubevouch_lab.apiserver.tables import IncludeObject, human_duration, table_for

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


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("command", COMMANDS)
def test_there_is_a_moment_at_which_our_table_is_the_recorded_one(stage: str, command: str) -> None:
    kind, wide = COMMANDS[command], command.endswith("wide")
    things = objects(stage, kind)
    head, rows = printed(stage, command)
    columns = table(kind)["columnDefinitions"]
    assert [one["name"].upper() for one in columns if wide or not one["priority"]] == head
    expected = [rows[thing["metadata"]["name"]] for thing in things]
    assert expected
    newest = max(datetime.fromisoformat(one["metadata"]["creationTimestamp"]) for one in things)
    moments = (newest + timedelta(seconds=second) for second in range(600))
    assert any(shown(kind, *things, now=now, wide=wide) == expected for now in moments)


# What Go 1.24's HumanDuration of apimachinery 0.36 gives for these seconds.
@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-2.0, "<invalid>"),
        (-1.9, "0s"),
        (-0.5, "0s"),
        (0, "0s"),
        (119.9, "119s"),
        (120, "2m"),
        (121, "2m1s"),
        (599, "9m59s"),
        (600, "10m"),
        (10799, "179m"),
        (10800, "3h"),
        (10860, "3h1m"),
        (28800, "8h"),
        (172799, "47h"),
        (172800, "2d"),
        (176400, "2d1h"),
        (691199, "7d23h"),
        (691200, "8d"),
        (63071999, "729d"),
        (63072000, "2y"),
        (63158400, "2y1d"),
        (252287999, "7y364d"),
        (252288000, "8y"),
    ],
)
def test_an_age_is_what_go_makes_of_it(seconds: float, text: str) -> None:
    assert human_duration(seconds) == text


def test_a_cordoned_node_that_answers_no_more_says_both() -> None:
    lost = {
        "metadata": {"name": "w1", "labels": {"kubernetes.io/role": "edge"}},
        "spec": {"unschedulable": True},
        "status": {"conditions": [{"type": "Ready", "status": "Unknown"}]},
    }
    found = cells(NODES, lost)
    assert found["Status"] == "NotReady,SchedulingDisabled"
    assert (found["Roles"], found["Internal-IP"], found["OS-Image"]) == (
        "edge",
        "<none>",
        "<unknown>",
    )


def test_a_node_that_said_nothing_yet_is_unknown() -> None:
    assert cells(NODES, {})["Status"] == "Unknown"


def test_the_wide_form_of_a_node_says_where_it_is_and_what_runs_there() -> None:
    found = cells(NODES, objects("fixed", NODES)[0])
    assert found["Internal-IP"] == "192.168.88.111"
    assert found["External-IP"] == "<none>"
    assert found["Kernel-Version"].endswith(" (amd64)")
    assert found["Container-Runtime"].startswith("containerd://")


def _container(**more: Any) -> dict[str, Any]:
    return {"name": "c", "ready": False, "restartCount": 0, **more}


@pytest.mark.parametrize(
    ("pod", "status", "ready"),
    [
        ({"status": {"phase": "Pending"}}, "Pending", "0/1"),
        ({"status": {"phase": "Failed", "reason": "Evicted"}}, "Evicted", "0/1"),
        (
            {
                "metadata": {"name": "it", "deletionTimestamp": "2026-11-24T22:59:00Z"},
                "status": {"phase": "Running"},
            },
            "Terminating",
            "0/1",
        ),
        (
            {
                "metadata": {"name": "it", "deletionTimestamp": "2026-11-24T22:59:00Z"},
                "status": {"phase": "Running", "reason": "NodeLost"},
            },
            "Unknown",
            "0/1",
        ),
        (
            {
                "status": {
                    "phase": "Running",
                    "containerStatuses": [
                        _container(state={"waiting": {"reason": "CrashLoopBackOff"}})
                    ],
                }
            },
            "CrashLoopBackOff",
            "0/1",
        ),
        (
            {
                "status": {
                    "phase": "Failed",
                    "containerStatuses": [_container(state={"terminated": {"exitCode": 2}})],
                }
            },
            "ExitCode:2",
            "0/1",
        ),
        (
            {
                "status": {
                    "phase": "Pending",
                    "conditions": [
                        {"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}
                    ],
                }
            },
            "SchedulingGated",
            "0/1",
        ),
        (
            {
                "spec": {"containers": [{}], "initContainers": [{"name": "a"}, {"name": "b"}]},
                "status": {
                    "phase": "Pending",
                    "initContainerStatuses": [
                        {"name": "a", "state": {"terminated": {"exitCode": 0}}},
                        {"name": "b", "state": {"running": {}}},
                    ],
                },
            },
            "Init:1/2",
            "0/1",
        ),
    ],
)
def test_the_status_of_a_pod_is_what_its_containers_make_of_it(
    pod: dict[str, Any], status: str, ready: str
) -> None:
    found = cells(PODS, {"spec": {"containers": [{}]}, **pod})
    assert (found["Status"], found["Ready"]) == (status, ready)


def test_a_restarted_container_says_when() -> None:
    pod = {
        "status": {
            "containerStatuses": [
                _container(
                    restartCount=3,
                    lastState={"terminated": {"finishedAt": "2026-11-24T22:58:00Z", "exitCode": 1}},
                )
            ]
        }
    }
    assert cells(PODS, pod)["Restarts"] == "3 (2m ago)"


def test_a_pod_that_has_ended_carries_a_row_condition() -> None:
    (row,) = table(PODS, {"metadata": {"name": "it"}, "status": {"phase": "Succeeded"}})["rows"]
    assert row["conditions"][0]["type"] == "Completed"


@pytest.mark.parametrize(
    ("types", "issued", "text"),
    [
        ([], "", "Pending"),
        (["Approved"], "", "Approved"),
        (["Approved"], "LS0t", "Approved,Issued"),
        (["Approved", "Denied"], "", "Denied"),
        (["Approved", "Failed"], "", "Approved,Failed"),
    ],
)
def test_the_condition_of_a_request_for_a_certificate(
    types: list[str], issued: str, text: str
) -> None:
    status = {"conditions": [{"type": one} for one in types], "certificate": issued}
    asked = {"spec": {"expirationSeconds": 86400 * 365}, "status": status}
    found = cells(CSRS, asked)
    assert (found["Condition"], found["RequestedDuration"]) == (text, "365d")


def test_more_than_three_endpoints_are_counted() -> None:
    addresses = [{"ip": f"10.0.0.{n}"} for n in range(1, 6)]
    found = cells(ENDPOINTS, {"subsets": [{"addresses": addresses, "ports": [{"port": 443}]}]})
    assert found["Endpoints"] == "10.0.0.1:443,10.0.0.2:443,10.0.0.3:443 + 2 more..."
    assert cells(ENDPOINTS, {})["Endpoints"] == "<none>"
    assert cells(ENDPOINTS, {"subsets": [{"ports": [{"port": 1}]}]})["Endpoints"] == ""
    assert cells(ENDPOINT_SLICES, {"endpoints": []})["Endpoints"] == "<unset>"


def test_a_service_shows_its_ports_and_its_address() -> None:
    (service,) = objects("fixed", SERVICES)
    found = cells(SERVICES, service)
    assert found["Port(s)"] == "443/TCP"
    assert found["Type"] == "ClusterIP"
    assert found["External-IP"] == "<none>"
    assert found["Selector"] == "k8s-app=metrics-server"


def test_a_binding_tells_users_groups_and_accounts_apart() -> None:
    found = cells(
        CLUSTER_ROLE_BINDINGS,
        {
            "roleRef": {"kind": "ClusterRole", "name": "view"},
            "subjects": [
                {"kind": "User", "name": "eve"},
                {"kind": "Group", "name": "admins"},
                {"kind": "Group", "name": "ops"},
                {"kind": "ServiceAccount", "name": "sa", "namespace": "ns"},
            ],
        },
    )
    assert found["Role"] == "ClusterRole/view"
    assert (found["Users"], found["Groups"], found["ServiceAccounts"]) == (
        "eve",
        "admins, ops",
        "ns/sa",
    )


def test_a_kind_without_a_printer_has_created_at_as_a_real_clusterrole_has() -> None:
    made = {"metadata": {"name": "view", "creationTimestamp": "2026-11-24T22:59:27Z"}}
    assert cells(CLUSTER_ROLES, made) == {"Name": "view", "Created At": "2026-11-24T22:59:27Z"}


def test_an_event_of_the_new_kind_prints_like_one_of_the_old() -> None:
    old = {
        "involvedObject": {"kind": "Node", "name": "w1"},
        "message": " m ",
        "lastTimestamp": "2026-11-24T22:59:00Z",
        "source": {"component": "kubelet", "host": "w1"},
        "count": 2,
    }
    new = {
        "regarding": {"kind": "Node", "name": "w1"},
        "note": "m",
        "deprecatedLastTimestamp": "2026-11-24T22:59:00Z",
        "deprecatedSource": {"component": "kubelet", "host": "w1"},
        "deprecatedCount": 2,
    }
    found = cells(EVENTS, old)
    assert found == cells(KINDS["events.k8s.io", "v1", "events"], new)
    assert (found["Last Seen"], found["Object"], found["Source"], found["Message"]) == (
        "60s",
        "node/w1",
        "kubelet, w1",
        "m",
    )


@pytest.mark.parametrize(
    ("include", "kind"),
    [("None", None), ("Metadata", "PartialObjectMetadata"), (None, "PartialObjectMetadata")],
)
def test_a_row_carries_as_much_of_its_object_as_was_asked_for(
    include: IncludeObject | None, kind: str | None
) -> None:
    node = objects("fixed", NODES)[0]
    made = table_for(
        NODES, [node], list_metadata={"resourceVersion": "7"}, include_object=include, now=NOW
    )
    (row,) = made["rows"]
    assert (row["object"] or {}).get("kind") == kind
    assert made["metadata"] == {"resourceVersion": "7"}


def test_a_row_may_carry_the_whole_object() -> None:
    node = objects("fixed", NODES)[0]
    made = table_for(NODES, [node], list_metadata={}, include_object="Object", now=NOW)
    assert made["rows"][0]["object"] is node


def test_later_tables_of_a_watch_have_no_heads() -> None:
    made = table_for(NODES, [], list_metadata={}, include_object=None, now=NOW, headers=False)
    assert made["columnDefinitions"] is None


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
