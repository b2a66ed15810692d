"""Creates, updates and deletes over HTTPS; the oracle is Kubernetes' own behaviour and texts (see each module's sources)."""

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from kubevouch_lab.apiserver.kinds import kind_of
from lab.tests.apiserver.bench import Bench
from lab.tests.bodies import deployment, pod

MAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
MERGE = "application/merge-patch+json"


def _map(name: str, **data: str) -> Any:
    return {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": name}, "data": data}


async def test_a_new_object_bears_what_the_server_says_not_what_the_client_said(
    lab: Bench,
) -> None:
    body = _map("a", key="value")
    body["metadata"] |= {"uid": "mine", "creationTimestamp": "2001-01-01T00:00:00Z"}
    body["metadata"] |= {"managedFields": [{}], "generation": 7}
    code, made = await lab.ask("POST", MAPS, body)
    metadata = made["metadata"]
    assert code == 201
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", metadata["uid"])
    assert metadata["creationTimestamp"] == "2026-11-24T12:00:00Z"
    assert set(metadata) == {"name", "namespace", "uid", "creationTimestamp", "resourceVersion"}
    assert (await lab.ask("GET", f"{MAPS}/a"))[1] == made


def _recordable(value: Any) -> Any:
    """The recorded files lack what is empty, and what a pod tolerates."""
    if isinstance(value, dict):
        kept = {key: _recordable(each) for key, each in value.items() if key != "tolerations"}
        return {key: each for key, each in kept.items() if each not in ({}, [], None)}
    return [_recordable(each) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize("stage", ["expired", "pending", "fixed"])
async def test_an_object_of_a_real_cluster_goes_in_strictly_and_comes_out_as_it_was(
    lab: Bench, stage: str
) -> None:
    """Defaults that are not the real ones, or fields that are not known, would show."""
    recorded = Path(__file__).parent / "recorded" / f"{stage}.json"
    for thing in json.loads(recorded.read_text())["items"]:
        for key in ("uid", "resourceVersion", "creationTimestamp", "generation"):
            thing["metadata"].pop(key, None)
        kind = kind_of(thing["apiVersion"], thing["kind"])
        assert kind
        space = f"/namespaces/{thing['metadata']['namespace']}" if kind.namespaced else ""
        root = f"/apis/{kind.group}" if kind.group else "/api"
        path = f"{root}/{kind.version}{space}/{kind.plural}"
        code, made = await lab.ask("POST", path, thing, fieldValidation="Strict")
        assert code == 201, made
        for key in ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields"):
            made["metadata"].pop(key, None)
        thing.pop("status", None)
        made.pop("status", None)
        assert _recordable(made) == _recordable(thing)


async def test_a_body_may_be_yaml(lab: Bench) -> None:
    body = b"metadata: {name: a}\ndata:\n  k: 'yes'\n"
    code, made = await lab.ask("POST", MAPS, body, "application/yaml")
    assert (code, made["data"]) == (201, {"k": "yes"})
    for wrong, why in (
        (b"a: [", "converting YAML"),
        (b"metadata: {name: b}\ndata: {k: yes}", "bool"),
    ):
        code, status = await lab.ask("POST", MAPS, wrong, "application/yaml")
        assert (code, why in status["message"]) == (400, True), status


async def test_a_generated_name_has_five_characters_more(lab: Bench) -> None:
    made = [
        (await lab.ask("POST", MAPS, {"metadata": {"generateName": "c-"}}))[1] for _ in range(3)
    ]
    names = {each["metadata"]["name"] for each in made}
    assert len(names) == 3
    assert all(re.fullmatch(r"c-[bcdfghjklmnpqrstvwxz2456789]{5}", name) for name in names)


@pytest.mark.parametrize(
    ("path", "body", "code", "text"),
    [
        (MAPS, {}, 422, "name or generateName is required"),
        (MAPS, _map("A_b"), 422, "a lowercase RFC 1123 subdomain"),
        (MAPS, {"metadata": {"generateName": "a."}}, 422, "metadata.generateName: Invalid value"),
        (
            MAPS,
            {"metadata": {"name": "a", "labels": {"x": "a b"}}},
            422,
            "metadata.labels: Invalid value",
        ),
        (MAPS, {"metadata": {"name": "a", "namespace": "b"}}, 400, "does not match the namespace"),
        (MAPS, {"kind": "Pod", "metadata": {"name": "a"}}, 400, "cannot be handled as a ConfigMap"),
        (MAPS, {"apiVersion": "v2", "metadata": {"name": "a"}}, 400, "expected API version (v1)"),
        (MAPS, {"metadata": {"name": "a", "resourceVersion": "1"}}, 400, "should not be set"),
        (MAPS, {"metadata": {"name": "a", "labels": [1]}}, 400, "metadata.labels"),
        (MAPS, {"metadata": []}, 400, "metadata"),
        (MAPS, {"kind": [], "metadata": {"name": "a"}}, 400, ""),
        (
            MAPS,
            {"metadata": {"name": "a", "finalizers": ["x/y"]}},
            422,
            "does not support finalizers",
        ),
        (
            MAPS,
            {"metadata": {"name": "a"}, "data": {"k": 1}},
            400,
            "cannot unmarshal number into field data.k of type str",
        ),
        (MAPS, b"{", 400, "json parse error"),
        (MAPS, b"[" * 100_000, 400, ""),
        (MAPS, [], 400, "not an object"),
        ("/api/v1/namespaces/none/configmaps", _map("a"), 404, 'namespaces "none" not found'),
        ("/api/v1/configmaps", _map("a"), 400, "an empty namespace may not be set"),
        (PODS, {"metadata": {"name": "a"}, "spec": {}}, 422, "spec.containers: Required value"),
        (PODS, {"metadata": {"name": "a"}, "spec": {"containers": 4}}, 400, "cannot be handled"),
        (
            "/api/v1/namespaces/default/secrets",
            {"metadata": {"name": "s"}, "data": {"k": "!"}},
            400,
            "illegal base64 data",
        ),
    ],
)
async def test_what_is_wrong_is_refused_and_says_why(
    lab: Bench, path: str, body: Any, code: int, text: str
) -> None:
    answered, status = await lab.ask("POST", path, body)
    assert (answered, status["kind"], status["code"]) == (code, "Status", code), status
    assert text in status["message"]


async def test_a_selector_selects_its_own_template_and_stays(lab: Bench) -> None:
    body = deployment("d", replicas=1)
    body["spec"]["template"]["metadata"]["labels"] = {"app": "b"}
    code, status = await lab.ask("POST", DEPLOYMENTS, body)
    assert (code, status["details"]["causes"][0]["field"]) == (422, "spec.template.metadata.labels")
    await lab.ask("POST", DEPLOYMENTS, deployment("d", replicas=1))
    change = {
        "spec": {
            "selector": {"matchLabels": {"app": "b"}},
            "template": {"metadata": {"labels": {"app": "b"}}},
        }
    }
    code, status = await lab.ask("PATCH", f"{DEPLOYMENTS}/d", change, MERGE)
    assert (code, "field is immutable" in status["message"]) == (422, True)


async def test_the_generation_counts_changes_of_the_spec_alone(lab: Bench) -> None:
    await lab.ask("POST", DEPLOYMENTS, deployment("d", replicas=1))

    async def after(change: Any, below: str = "") -> int:
        code, kept = await lab.ask("PATCH", f"{DEPLOYMENTS}/d{below}", change, MERGE)
        assert code == 200, kept
        return int(kept["metadata"].get("generation", 0))

    assert await after({"metadata": {"labels": {"x": "y"}}}) == 1
    assert await after({"spec": {"replicas": 1}}) == 1
    assert await after({"spec": {"replicas": 3}}) == 2
    assert await after({"status": {"replicas": 3, "observedGeneration": 2}}) == 2
    assert await after({"status": {"replicas": 3, "observedGeneration": 2}}, "/status") == 2
    _, kept = await lab.ask("GET", f"{DEPLOYMENTS}/d")
    assert (kept["spec"]["replicas"], kept["status"]["observedGeneration"]) == (3, 2)


async def test_status_is_written_through_its_own_path_only(lab: Bench) -> None:
    await lab.ask("POST", DEPLOYMENTS, deployment("d", replicas=1))
    change = {"spec": {"replicas": 5}, "status": {"replicas": 5}}
    _, main = await lab.ask("PATCH", f"{DEPLOYMENTS}/d", change, MERGE)
    assert (main["spec"]["replicas"], main["status"]) == (5, {})
    change = {"spec": {"replicas": 7}, "status": {"replicas": 7}}
    _, below = await lab.ask("PATCH", f"{DEPLOYMENTS}/d/status", change, MERGE)
    assert (below["spec"]["replicas"], below["status"]) == (5, {"replicas": 7})


async def test_a_scale_is_the_count_of_its_object(lab: Bench) -> None:
    await lab.ask("POST", DEPLOYMENTS, deployment("d", replicas=1))
    _, scale = await lab.ask("GET", f"{DEPLOYMENTS}/d/scale")
    assert (scale["kind"], scale["apiVersion"]) == ("Scale", "autoscaling/v1")
    assert (scale["spec"], scale["status"]) == (
        {"replicas": 1},
        {"replicas": 0, "selector": "app=web"},
    )
    scale["spec"]["replicas"] = 4
    code, after = await lab.ask("PUT", f"{DEPLOYMENTS}/d/scale", scale)
    assert (code, after["spec"]["replicas"]) == (200, 4)
    _, kept = await lab.ask("GET", f"{DEPLOYMENTS}/d")
    assert (kept["spec"]["replicas"], kept["metadata"]["generation"]) == (4, 2)
    code, _ = await lab.ask("PUT", f"{DEPLOYMENTS}/d/scale", scale)
    assert code == 409
    scale["spec"]["replicas"] = -1
    scale["metadata"].pop("resourceVersion")
    assert (await lab.ask("PUT", f"{DEPLOYMENTS}/d/scale", scale))[0] == 422


async def test_who_has_read_an_older_version_may_not_write(lab: Bench) -> None:
    _, made = await lab.ask("POST", MAPS, _map("a", k="1"))
    code, same = await lab.ask("PUT", f"{MAPS}/a", made)
    assert (code, same["metadata"]["resourceVersion"]) == (200, made["metadata"]["resourceVersion"])
    _, second = await lab.ask("PUT", f"{MAPS}/a", {**made, "data": {"k": "2"}})
    code, status = await lab.ask("PUT", f"{MAPS}/a", {**made, "data": {"k": "3"}})
    assert (code, status["reason"]) == (409, "Conflict")
    assert status["message"] == (
        'Operation cannot be fulfilled on configmaps "a": the object has been modified; '
        "please apply your changes to the latest version and try again"
    )
    stale = {"metadata": {"resourceVersion": made["metadata"]["resourceVersion"]}}
    assert (await lab.ask("PATCH", f"{MAPS}/a", stale, MERGE))[0] == 409
    assert (await lab.ask("PUT", f"{MAPS}/a", _map("a", k="4")))[0] == 200
    other = {**second, "metadata": {"name": "a", "uid": "00000000-0000-4000-8000-000000000000"}}
    code, status = await lab.ask("PUT", f"{MAPS}/a", other)
    assert (code, "UID in precondition" in status["message"]) == (409, True)
    assert (await lab.ask("PUT", f"{MAPS}/a", _map("b")))[0] == 400


async def test_a_lease_is_updated_with_its_version_and_no_put_makes_one(lab: Bench) -> None:
    leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
    lease = {"metadata": {"name": "n"}, "spec": {"holderIdentity": "n"}}
    code, status = await lab.ask("PUT", f"{leases}/n", lease)
    assert (code, "must be specified for an update" in status["message"]) == (422, True)
    _, made = await lab.ask("POST", leases, lease)
    await lab.ask("DELETE", f"{leases}/n")
    assert (await lab.ask("PUT", f"{leases}/n", made))[0] == 404


async def test_nothing_is_kept_of_a_dry_run(lab: Bench) -> None:
    code, made = await lab.ask("POST", MAPS, _map("a"), dryRun="All")
    assert (code, "uid" in made["metadata"]) == (201, True)
    assert (await lab.ask("GET", f"{MAPS}/a"))[0] == 404
    _, kept = await lab.ask("POST", MAPS, _map("a", k="1"))
    assert (await lab.ask("POST", MAPS, _map("a"), dryRun="All"))[0] == 409
    _, shown = await lab.ask("PATCH", f"{MAPS}/a", {"data": {"k": "2"}}, MERGE, dryRun="All")
    assert shown["data"] == {"k": "2"}
    assert (await lab.ask("DELETE", f"{MAPS}/a", dryRun="All"))[0] == 200
    assert (await lab.ask("GET", f"{MAPS}/a"))[1] == kept
    code, status = await lab.ask("POST", MAPS, _map("b"), dryRun="Some")
    assert (code, status["message"]) == (
        422,
        'CreateOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: ["Some"]: supported values: "All"',
    )


async def test_a_delete_says_what_it_deleted(lab: Bench) -> None:
    _, made = await lab.ask("POST", MAPS, _map("a"))
    code, status = await lab.ask("DELETE", f"{MAPS}/a")
    uid = made["metadata"]["uid"]
    assert code == 200
    assert status == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {"name": "a", "kind": "configmaps", "uid": uid},
    }
    code, status = await lab.ask("DELETE", f"{MAPS}/a")
    assert (code, status["message"]) == (404, 'configmaps "a" not found')


async def test_a_precondition_keeps_what_is_not_meant(lab: Bench) -> None:
    _, made = await lab.ask("POST", MAPS, _map("a"))
    for wanted in ({"uid": "x"}, {"resourceVersion": "1"}):
        code, status = await lab.ask("DELETE", f"{MAPS}/a", {"preconditions": wanted})
        assert (code, "Precondition failed" in status["message"]) == (409, True)
    uid = made["metadata"]["uid"]
    assert (await lab.ask("DELETE", f"{MAPS}/a", {"preconditions": {"uid": uid}}))[0] == 200


async def _owned(lab: Bench) -> Any:
    _, owner = await lab.ask("POST", MAPS, _map("owner"))
    ref = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "name": "owner",
        "uid": owner["metadata"]["uid"],
    }
    child = _map("child")
    child["metadata"]["ownerReferences"] = [ref]
    await lab.ask("POST", MAPS, child)
    return ref


@pytest.mark.parametrize("policy", ["Background", "Foreground"])
async def test_what_an_object_owns_goes_with_it(lab: Bench, policy: str) -> None:
    await _owned(lab)
    await lab.ask("DELETE", f"{MAPS}/owner", {"propagationPolicy": policy})
    assert (await lab.ask("GET", f"{MAPS}/child"))[0] == 404


async def test_nothing_is_orphaned(lab: Bench) -> None:
    await _owned(lab)
    code, _ = await lab.ask("DELETE", f"{MAPS}/owner", propagationPolicy="Orphan")
    assert (code, (await lab.ask("GET", f"{MAPS}/owner"))[0]) == (422, 200)


async def test_an_object_with_another_owner_stays(lab: Bench) -> None:
    ref = await _owned(lab)
    _, other = await lab.ask("POST", MAPS, _map("other"))
    second = {**ref, "name": "other", "uid": other["metadata"]["uid"]}
    both = {"metadata": {"ownerReferences": [ref, second]}}
    await lab.ask("PATCH", f"{MAPS}/child", both, MERGE)
    await lab.ask("DELETE", f"{MAPS}/owner")
    _, child = await lab.ask("GET", f"{MAPS}/child")
    assert child["metadata"]["ownerReferences"] == [second]


async def test_a_namespace_goes_with_all_that_is_in_it(lab: Bench) -> None:
    await lab.ask("POST", "/api/v1/namespaces", {"metadata": {"name": "space"}})
    maps = "/api/v1/namespaces/space/configmaps"
    await lab.ask("POST", maps, _map("free"))
    assert (await lab.ask("DELETE", "/api/v1/namespaces/space"))[0] == 200
    assert (await lab.ask("GET", f"{maps}/free"))[0] == 404
    assert (await lab.ask("POST", maps, _map("late")))[0] == 404
    assert (await lab.ask("GET", "/api/v1/namespaces/space"))[0] == 404
    code, status = await lab.ask("DELETE", "/api/v1/namespaces/default")
    assert (code, "this namespace may not be deleted" in status["message"]) == (403, True)


async def test_a_collection_is_deleted_by_selector(lab: Bench) -> None:
    for name in "abc":
        body = _map(name)
        body["metadata"]["labels"] = {"keep": str(name == "b").lower()}
        await lab.ask("POST", MAPS, body)
    code, gone = await lab.ask("DELETE", MAPS, labelSelector="keep=false")
    assert code == 200
    assert [item["metadata"]["name"] for item in gone["items"]] == ["a", "c"]
    assert (await lab.ask("GET", f"{MAPS}/b"))[0] == 200


async def test_a_pod_is_bound_once(lab: Bench) -> None:
    await lab.ask("POST", PODS, pod())
    target = {"target": {"kind": "Node", "name": "n1"}}
    code, status = await lab.ask("POST", f"{PODS}/p/binding", target)
    assert (code, status["status"]) == (201, "Success")
    _, bound = await lab.ask("GET", f"{PODS}/p")
    assert bound["spec"]["nodeName"] == "n1"
    assert bound["status"]["conditions"][0]["type"] == "PodScheduled"
    code, status = await lab.ask("POST", f"{PODS}/p/binding", target)
    assert (code, 'already assigned to node "n1"' in status["message"]) == (409, True)
    change = {"spec": {"hostNetwork": True}}
    code, status = await lab.ask("PATCH", f"{PODS}/p", change, MERGE)
    assert (code, "cannot change pods" in status["message"]) == (422, True)


async def test_a_body_beyond_the_bound_is_refused(lab: Bench) -> None:
    code, status = await lab.ask("POST", MAPS, _map("a", k="x" * (3 * 1024 * 1024)))
    assert (code, status["reason"]) == (413, "RequestEntityTooLarge")


async def test_events_are_kept_for_an_hour_and_read_in_both_forms(lab: Bench) -> None:
    body = {
        "metadata": {"name": "e"},
        "involvedObject": {"kind": "Node", "name": "n"},
        "reason": "Starting",
        "message": "m",
    }
    path = "/api/v1/namespaces/default/events"
    assert (await lab.ask("POST", path, body))[0] == 201
    other = "/apis/events.k8s.io/v1/namespaces/default/events"
    _, listed = await lab.ask("GET", other, fieldSelector="involvedObject.name=n")
    assert [item["note"] for item in listed["items"]] == ["m"]
    lab.clock.wind(timedelta(minutes=61))
    assert (await lab.ask("GET", path))[1]["items"] == []


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [
        ("GET", "/api/v1/nothings", 404),
        ("GET", "/api/v1/namespaces/default/configmaps/a/status", 404),
        ("DELETE", "/api/v1/namespaces", 405),
        ("POST", f"{MAPS}/a", 405),
        ("GET", "/apis/authorization.k8s.io/v1/subjectaccessreviews", 405),
    ],
)
async def test_what_is_not_served_is_refused_as_a_status(
    lab: Bench, method: str, path: str, code: int
) -> None:
    answered, status = await lab.ask(method, path)
    assert (answered, status["kind"]) == (code, "Status")


@pytest.mark.parametrize("path", ["/nothing", "/apis/none.example.com/v1/things", "/api/v2/nodes"])
async def test_a_path_that_nobody_serves_is_not_found_in_plain_text(lab: Bench, path: str) -> None:
    assert await lab.ask("GET", path) == (404, "404 page not found\n")
