"""Real kubectl is the client; the sentences are structured-merge-diff's, the shapes those of client-go's schema.

recorded/applied.jsonl: manifests, and the managedFields that a real kube-apiserver (1.36.3) gives for them
(`kubectl apply --server-side --dry-run=server -o json --show-managed-fields`).
"""

import json
from pathlib import Path
from typing import Any

import pytest

from kubevouch_lab.apiserver.kinds import CONFIG_MAPS, DEPLOYMENTS, KINDS
from lab.tests.apiserver.bench import Bench
from lab.tests.bodies import deployment

RECORDED = Path(__file__).parent / "recorded" / "applied.jsonl"
APPLIED = [json.loads(line) for line in RECORDED.read_text("utf-8").splitlines()]
APPLY = "application/apply-patch+yaml"
SSA = ("apply", "--server-side", "-f", "-")


def _web(**spec: Any) -> Any:
    return deployment(container={"ports": [{"containerPort": 80}]}, **spec)


def _settings(**data: str) -> Any:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "s"}, "data": data}


def _kept(lab: Bench) -> Any:
    return lab.local.get(DEPLOYMENTS, "web", "default")


def _entries(thing: Any) -> dict[str, Any]:
    return {each["manager"]: each for each in thing["metadata"]["managedFields"]}


async def test_what_is_applied_is_created_and_the_second_time_nothing_changes(lab: Bench) -> None:
    assert await lab.does(*SSA, stdin=_web()) == "deployment.apps/web serverside-applied\n"
    made = _kept(lab)
    await lab.does(*SSA, stdin=_web())
    assert _kept(lab) == made
    entry = _entries(made)["kubectl"]
    assert (entry["operation"], entry["apiVersion"]) == ("Apply", "apps/v1")


@pytest.mark.parametrize("case", APPLIED, ids=lambda case: str(case["applied"]["kind"]))
async def test_who_owns_which_field_is_what_a_real_server_says(lab: Bench, case: Any) -> None:
    made = json.loads(
        await lab.does(
            *(*SSA, "-o", "json", "--show-managed-fields", "--dry-run=server"),
            stdin=case["applied"],
        )
    )
    (entry,) = made["metadata"]["managedFields"]
    assert entry.pop("time")
    assert [entry] == case["managedFields"]


async def test_a_field_that_is_no_longer_applied_goes_and_others_fields_stay(lab: Bench) -> None:
    first = _settings(mine="1", ours="1", gone="1")
    await lab.does(*SSA, "--field-manager=a", stdin=first)
    await lab.does(*SSA, "--field-manager=b", stdin=_settings(ours="1", theirs="2"))
    await lab.does(*SSA, "--field-manager=a", stdin=_settings(mine="3"))
    kept = lab.local.get(CONFIG_MAPS, "s", "default")
    assert kept["data"] == {"mine": "3", "ours": "1", "theirs": "2"}
    assert _entries(kept)["a"]["fieldsV1"] == {"f:data": {"f:mine": {}}}


async def test_a_struct_goes_with_its_defaults_when_nobody_applies_it_any_more(lab: Bench) -> None:
    probed = _web()
    probe = {"httpGet": {"path": "/livez", "port": 80}}
    probed["spec"]["template"]["spec"]["containers"][0]["livenessProbe"] = probe
    await lab.does(*SSA, stdin=probed)
    assert "livenessProbe" in _kept(lab)["spec"]["template"]["spec"]["containers"][0]
    await lab.does(*SSA, stdin=_web())
    assert "livenessProbe" not in _kept(lab)["spec"]["template"]["spec"]["containers"][0]


async def test_what_another_manager_owns_is_a_conflict_unless_it_is_forced(lab: Bench) -> None:
    await lab.does(*SSA, stdin=_web())
    await lab.does("scale", "deployment/web", "--replicas=5")
    ran = await lab.kubectl(*SSA, stdin=_web())
    assert ran.code == 1
    expected = 'conflict with "kubectl" with subresource "scale" using apps/v1: .spec.replicas'
    assert f"Apply failed with 1 conflict: {expected}" in ran.err
    assert _kept(lab)["spec"]["replicas"] == 5
    await lab.does(*SSA, "--force-conflicts", stdin=_web())
    assert _kept(lab)["spec"]["replicas"] == 2
    assert set(_entries(_kept(lab))) == {"kubectl"}


async def test_what_was_there_before_the_first_apply_has_an_owner(lab: Bench) -> None:
    await lab.does("create", "configmap", "s", "--from-literal=a=1")
    ran = await lab.kubectl(*SSA, stdin=_settings(a="2"))
    assert 'conflict with "before-first-apply" using v1: .data.a' in ran.err
    await lab.does(*SSA, stdin=_settings(a="1", b="1"))
    assert lab.local.get(CONFIG_MAPS, "s", "default")["data"] == {"a": "1", "b": "1"}


async def test_lists_are_merged_by_their_keys_and_the_others_items_stay(lab: Bench) -> None:
    await lab.does(*SSA, stdin=_web())
    side = {"name": "side", "image": "side:1"}
    added = {"spec": {"template": {"spec": {"containers": [side]}}}}
    await lab.does("patch", "deployment/web", "-p", json.dumps(added))
    changed = _web()
    changed["spec"]["template"]["spec"]["containers"][0]["image"] = "example.com/web:2"
    await lab.does(*SSA, stdin=changed)
    containers = _kept(lab)["spec"]["template"]["spec"]["containers"]
    found = {each["name"]: each["image"] for each in containers}
    assert found == {"web": "example.com/web:2", "side": "side:1"}


async def test_a_dry_run_and_a_diff_change_nothing(lab: Bench) -> None:
    await lab.does(*SSA, stdin=_web())
    made = _kept(lab)
    out = await lab.does(
        *SSA, "--dry-run=server", "-o", "jsonpath={.spec.replicas}", stdin=_web(replicas=3)
    )
    assert out == "3"
    ran = await lab.kubectl("diff", "--server-side", "-f", "-", stdin=_web(replicas=3))
    assert ran.code == 1
    assert "+  replicas: 3" in ran.out
    assert _kept(lab) == made


async def test_an_unknown_field_is_refused_in_gos_words(lab: Bench) -> None:
    ran = await lab.kubectl(*SSA, "--validate=false", stdin=_web(colour="red"))
    assert ran.code == 1
    assert "failed to create typed patch object (default/web; apps/v1, Kind=Deployment)" in ran.err
    assert ".spec.colour: field not declared in schema" in ran.err


async def test_an_apply_names_its_manager_and_only_an_apply_is_forced(lab: Bench) -> None:
    path = "/api/v1/namespaces/default/configmaps/s"
    code, answer = await lab.ask("PATCH", path, _settings(a="1"), APPLY)
    assert (code, answer["message"]) == (
        422,
        'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch',
    )
    merge = "application/merge-patch+json"
    code, answer = await lab.ask("PATCH", path, {}, merge, force="true")
    assert code == 422
    assert "may not be specified for non-apply patch" in answer["message"]


async def test_an_apply_into_a_namespace_that_is_not_there_is_not_found(lab: Bench) -> None:
    path = "/api/v1/namespaces/nowhere/configmaps/s"
    code, answer = await lab.ask("PATCH", path, _settings(a="1"), APPLY, fieldManager="x")
    assert (code, answer["message"]) == (404, 'namespaces "nowhere" not found')


async def test_a_status_that_changes_belongs_to_who_wrote_it(lab: Bench) -> None:
    await lab.does(*SSA, stdin=_web())
    lab.local.update(DEPLOYMENTS, {**_kept(lab), "status": {"replicas": 2}}, "status")
    entry = _entries(_kept(lab))["apiserver"]
    assert entry["fieldsV1"] == {"f:status": {"f:replicas": {}}}
    assert (entry["operation"], entry["subresource"]) == ("Update", "status")
    await lab.does(*SSA, stdin=_web())
    assert _kept(lab)["status"] == {"replicas": 2}


async def test_every_kind_that_is_stored_can_be_applied(lab: Bench) -> None:
    policy = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "p"},
        "spec": {"podSelector": {}, "egress": [{"ports": [{"port": 443}]}]},
    }
    await lab.does(*SSA, stdin=policy)
    kind = KINDS["networking.k8s.io", "v1", "networkpolicies"]
    kept = lab.local.get(kind, "p", "default")
    assert kept["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert kept["spec"]["egress"][0]["ports"] == [{"port": 443, "protocol": "TCP"}]
