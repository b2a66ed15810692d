"""The oracle is Go's own patch code: `kubectl patch --local` makes the same patch of the same object."""

import copy
import json
import subprocess
from typing import Any

import pytest

from kubevouch_lab.apiserver import bodies
from kubevouch_lab.apiserver.kinds import kind_of
from kubevouch_lab.apiserver.status import StatusError
from lab.tests.kubectl import KUBECTL

STRATEGIC_FORM = "application/strategic-merge-patch+json"
DEPLOYMENT = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "d", "labels": {"a": "1", "b": "2"}, "finalizers": ["x/a", "x/b"]},
    "spec": {
        "replicas": 1,
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}},
        "selector": {"matchLabels": {"app": "a"}},
        "template": {
            "metadata": {"labels": {"app": "a"}},
            "spec": {
                "containers": [
                    {
                        "name": "c1",
                        "image": "i1",
                        "args": ["x", "y"],
                        "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
                        "ports": [{"containerPort": 80, "protocol": "TCP"}],
                    },
                    {"name": "c2", "image": "i2"},
                ],
                "volumes": [{"name": "v", "emptyDir": {}}],
                "tolerations": [{"key": "k"}],
            },
        },
    },
}
NODE = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": {"name": "n", "annotations": {"a": "1"}},
    "spec": {"podCIDRs": ["10.0.0.0/24"], "taints": [{"key": "k", "effect": "NoSchedule"}]},
    "status": {
        "conditions": [
            {"type": "Ready", "status": "True"},
            {"type": "MemoryPressure", "status": "False"},
        ],
        "addresses": [{"type": "InternalIP", "address": "1.2.3.4"}],
    },
}
SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "s"},
    "spec": {
        "ports": [{"port": 80, "name": "a"}, {"port": 81, "name": "b"}],
        "selector": {"a": "b"},
    },
}


def _go(thing: Any, patch: Any) -> Any:
    """What Go makes of it; None if Go refuses."""
    words = ("patch", "--local", "-f", "-", "--type=strategic", "-o", "json", "-p")
    ran = subprocess.run(
        [KUBECTL, *words, json.dumps(patch)],
        input=json.dumps(thing).encode(),
        capture_output=True,
        check=False,
        timeout=60,
    )
    return json.loads(ran.stdout) if ran.returncode == 0 else None


def _ours(thing: Any, patch: Any) -> Any:
    kind = kind_of(thing["apiVersion"], thing["kind"])
    assert kind
    try:
        return bodies.patch(json.dumps(patch).encode(), STRATEGIC_FORM, kind)(thing)
    except StatusError as error:
        return None if 400 <= error.code < 500 else error


def _tidy(value: Any) -> Any:
    """What a typed decoder keeps: nothing that is empty, and no directive that Go has left in a new item."""
    if isinstance(value, dict):
        tidied = {key: _tidy(each) for key, each in value.items() if not key.startswith("$")}
        return {key: each for key, each in tidied.items() if each not in ({}, [], None, "")}
    if isinstance(value, list):
        return [_tidy(each) for each in value]
    return value


def _containers(*containers: Any, **more: Any) -> Any:
    return {"spec": {"template": {"spec": {"containers": list(containers), **more}}}}


def _order(*names: str) -> Any:
    return {"$setElementOrder/containers": [{"name": name} for name in names]}


STRATEGIC = [
    (DEPLOYMENT, {"spec": {"replicas": 3}}),
    (DEPLOYMENT, {"metadata": {"labels": {"a": None, "c": "3"}}}),
    (DEPLOYMENT, {"metadata": {"$deleteFromPrimitiveList/finalizers": ["x/a"]}}),
    (DEPLOYMENT, {"metadata": {"finalizers": None}}),
    (DEPLOYMENT, _containers({"name": "c1", "image": "new"})),
    (DEPLOYMENT, _containers({"name": "c3", "image": "i3"})),
    (DEPLOYMENT, _containers({"name": "c1", "$patch": "delete"})),
    (DEPLOYMENT, _containers({"name": "none", "$patch": "delete"})),
    (DEPLOYMENT, _containers({"name": "c1", "args": ["z"]})),
    (DEPLOYMENT, _containers({"name": "c1", "env": [{"name": "A", "$patch": "delete"}]})),
    (DEPLOYMENT, _containers({"name": "c1", "env": [{"name": "B", "value": "9"}]})),
    (DEPLOYMENT, _containers({"name": "c3", "image": "i3"}, **_order("c3", "c1", "c2"))),
    (DEPLOYMENT, _containers({"name": "c2", "image": "n"}, **_order("c2", "c1"))),
    (DEPLOYMENT, {"spec": {"template": {"spec": _order("c2", "c1")}}}),
    (DEPLOYMENT, {"spec": {"template": {"spec": {"tolerations": [{"key": "l"}]}}}}),
    (DEPLOYMENT, {"spec": {"template": {"spec": {"volumes": [{"name": "w", "emptyDir": {}}]}}}}),
    (DEPLOYMENT, {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}),
    (DEPLOYMENT, _containers({"image": "nameless"})),
    (DEPLOYMENT, {"spec": {"strategy": {"$patch": "burn"}}}),
    (NODE, {"status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}}),
    (NODE, {"status": {"conditions": [{"type": "DiskPressure", "status": "False"}]}}),
    (NODE, {"status": {"addresses": [{"type": "Hostname", "address": "n"}]}}),
    (NODE, {"spec": {"taints": [{"key": "l", "effect": "NoExecute"}]}}),
    (NODE, {"spec": {"taints": None, "unschedulable": True}}),
    (NODE, {"spec": {"podCIDRs": ["10.0.1.0/24"]}}),
    (SERVICE, {"spec": {"ports": [{"port": 80, "name": "http"}]}}),
    (SERVICE, {"spec": {"ports": [{"port": 82}], "selector": {"a": None}}}),
    (SERVICE, {"spec": {"ports": [{"port": 80, "$patch": "delete"}]}}),
]


@pytest.mark.parametrize(("thing", "patch"), STRATEGIC)
def test_a_strategic_patch_does_what_go_does(thing: Any, patch: Any) -> None:
    before = copy.deepcopy(thing)
    assert _tidy(_ours(thing, patch)) == _tidy(_go(thing, patch))
    assert thing == before


@pytest.mark.parametrize("directive", ["replace", "delete", "burn"])
def test_a_directive_that_kubectl_does_not_send_is_refused(directive: str) -> None:
    patch = {"metadata": {"labels": {"$patch": directive, "z": "26"}}}
    assert _ours(DEPLOYMENT, patch) is None


@pytest.mark.parametrize("form", ["application/json", "text/plain"])
def test_a_form_that_is_not_served_is_refused_by_name(form: str) -> None:
    kind = kind_of("v1", "ConfigMap")
    assert kind
    with pytest.raises(StatusError) as caught:
        bodies.patch(b"{}", form, kind)
    assert (caught.value.code, "application/merge-patch+json" in caught.value.message) == (
        415,
        True,
    )
