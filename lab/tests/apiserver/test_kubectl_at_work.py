"""Real kubectl is the judge: what it is asked for, it does, and says so."""

import asyncio
import json
from typing import Any

from kubevouch_lab.apiserver.kinds import DEPLOYMENTS, NODES, PODS
from lab.tests.apiserver.bench import Bench
from lab.tests.bodies import deployment, pod
from lab.tests.kubectl import PATIENT

ENV = [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]
DEPLOYMENT = deployment(container={"args": ["--a", "--b"], "env": ENV})


def _kept(lab: Bench) -> Any:
    return lab.local.get(DEPLOYMENTS, "web", "default")


async def test_a_watched_table_has_one_header_and_a_row_for_each_event(lab: Bench) -> None:
    lab.local.create(NODES, {"metadata": {"name": "n1"}})
    process = await lab.start("get", "nodes", "--watch", "--output-watch-events")
    assert process.stdout
    async with asyncio.timeout(PATIENT):
        header = (await process.stdout.readline()).split()
        assert header[:3] == [b"EVENT", b"NAME", b"STATUS"]
        assert (await process.stdout.readline()).split()[:3] == [b"ADDED", b"n1", b"Unknown"]
        ready = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
        lab.local.patch(NODES, "n1", ready, subresource="status")
        assert (await process.stdout.readline()).split()[:3] == [b"MODIFIED", b"n1", b"Ready"]
        lab.local.delete(NODES, "n1")
        assert (await process.stdout.readline()).split()[:3] == [b"DELETED", b"n1", b"Ready"]
        process.kill()
        await process.wait()


async def test_apply_creates_then_changes_what_has_changed_and_nothing_else(lab: Bench) -> None:
    apply = ("apply", "-f", "-")
    assert await lab.does(*apply, stdin=DEPLOYMENT) == "deployment.apps/web created\n"
    made = _kept(lab)
    assert await lab.does(*apply, stdin=DEPLOYMENT) == "deployment.apps/web unchanged\n"
    assert _kept(lab) == made

    other = _kept(lab)
    other["spec"]["template"]["spec"]["containers"].append({"name": "side", "image": "side:1"})
    lab.local.update(DEPLOYMENTS, other)
    changed = json.loads(json.dumps(DEPLOYMENT))
    container = changed["spec"]["template"]["spec"]["containers"][0]
    container["image"] = "example.com/web:2"
    container["env"] = [{"name": "B", "value": "3"}]
    del container["args"]
    assert await lab.does(*apply, stdin=changed) == "deployment.apps/web configured\n"
    containers = _kept(lab)["spec"]["template"]["spec"]["containers"]
    assert [each["name"] for each in containers] == ["web", "side"]
    assert containers[0]["image"] == "example.com/web:2"
    assert containers[0]["env"] == [{"name": "B", "value": "3"}]
    assert "args" not in containers[0]
    assert _kept(lab)["metadata"]["generation"] == 3


async def test_the_small_verbs_change_what_they_say(lab: Bench) -> None:
    await lab.does("create", "-f", "-", stdin=DEPLOYMENT)
    web = "deployment/web"
    assert "scaled" in await lab.does("scale", web, "--replicas=4")
    assert "labeled" in await lab.does("label", web, "tier=front")
    assert "unlabeled" in await lab.does("label", web, "app-")
    assert "annotated" in await lab.does("annotate", web, "note=some words")
    assert "image updated" in await lab.does("set", "image", web, "web=example.com/web:9")
    assert "patched" in await lab.does("patch", web, "-p", '{"spec":{"paused":true}}')
    merge = '{"spec":{"minReadySeconds":7}}'
    assert "patched" in await lab.does("patch", web, "--type=merge", "-p", merge)
    steps = '[{"op":"replace","path":"/spec/revisionHistoryLimit","value":3}]'
    assert "patched" in await lab.does("patch", web, "--type=json", "-p", steps)
    ran = await lab.kubectl("rollout", "restart", web)
    assert (ran.code, "can't restart paused deployment" in ran.err) == (1, True)
    kept = _kept(lab)
    assert kept["metadata"]["labels"] == {"tier": "front"}
    assert kept["metadata"]["annotations"]["note"] == "some words"
    spec = kept["spec"]
    assert (spec["replicas"], spec["paused"], spec["minReadySeconds"]) == (4, True, 7)
    assert spec["revisionHistoryLimit"] == 3
    assert spec["template"]["spec"]["containers"][0]["image"] == "example.com/web:9"
    ran = await lab.kubectl("label", web, "tier=back")
    assert (ran.code, "--overwrite is false" in ran.err) == (1, True)
    ran = await lab.kubectl("scale", web, "--current-replicas=9", "--replicas=1")
    assert (ran.code, "Expected replicas to be 9, was 4" in ran.err) == (1, True)


async def test_wait_waits_for_the_condition_and_for_the_end(lab: Bench) -> None:
    lab.local.create(PODS, pod(), "default")
    waiting = asyncio.create_task(
        lab.does("wait", "pod/p", "--for=condition=Ready", "--timeout=50s")
    )
    done, _ = await asyncio.wait([waiting], timeout=0.3)
    assert not done
    ready = {"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}
    lab.local.patch(PODS, "p", ready, "default", subresource="status")
    assert await waiting == "pod/p condition met\n"
    waiting = asyncio.create_task(lab.does("wait", "pod/p", "--for=delete", "--timeout=50s"))
    done, _ = await asyncio.wait([waiting], timeout=0.3)
    assert not done
    lab.local.delete(PODS, "p", "default")
    await waiting


async def test_secrets_and_accounts_and_roles_are_made(lab: Bench) -> None:
    await lab.does("create", "secret", "generic", "s", "--from-literal=k=v")
    out = await lab.does("get", "secret", "s", "-o", "jsonpath={.data.k} {.type}")
    assert out == "dg== Opaque"
    await lab.does("create", "serviceaccount", "robot")
    await lab.does("create", "clusterrole", "reader", "--verb=get,list", "--resource=nodes")
    await lab.does(
        "create",
        "clusterrolebinding",
        "b",
        "--clusterrole=reader",
        "--serviceaccount=default:robot",
    )
    out = await lab.does("get", "clusterrolebinding", "b", "-o", "jsonpath={.subjects[0].kind}")
    assert out == "ServiceAccount"
    change = '{"roleRef":{"name":"other"}}'
    ran = await lab.kubectl("patch", "clusterrolebinding", "b", "-p", change)
    assert (ran.code, "field is immutable" in ran.err) == (1, True)


async def test_raw_paths_answer(lab: Bench) -> None:
    assert json.loads(await lab.does("get", "--raw", "/version"))["major"] == "1"
    assert await lab.does("get", "--raw", "/readyz") == "ok"
    assert "readyz check passed" in await lab.does("get", "--raw", "/readyz?verbose")
    ran = await lab.kubectl("get", "--raw", "/nothing")
    assert "the server could not find the requested resource" in ran.err
