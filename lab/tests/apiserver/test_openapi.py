"""What objects look like, as real kubectl understands it: it validates, explains and makes its patches from it."""

import json
from typing import Any

import pytest

from kubevouch_lab.apiserver.kinds import KINDS, Kind
from kubevouch_lab.apiserver.openapi import document
from kubevouch_lab.apiserver.openapi.documents import version_2, version_3
from kubevouch_lab.apiserver.openapi.schema import message_for, messages
from lab.tests.apiserver.bench import Bench

PROTOBUF = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"


def deployment(**container: Any) -> dict[str, Any]:
    labels = {"app": "web"}
    template = {
        "metadata": {"labels": labels},
        "spec": {
            "containers": [{"name": "web", "image": "web:1", **container}],
            "volumes": [{"name": "tmp", "emptyDir": {}}],
        },
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template},
    }


async def test_apply_twice_changes_nothing(lab: Bench) -> None:
    assert await lab.does("apply", "-f", "-", stdin=deployment()) == (
        "deployment.apps/web created\n"
    )
    assert await lab.does("apply", "-f", "-", stdin=deployment()) == (
        "deployment.apps/web unchanged\n"
    )


async def test_apply_merges_lists_by_their_keys(lab: Bench) -> None:
    """What others put into the same list stays: that is in the patch only if the schema tells the merge key."""
    await lab.does("apply", "-f", "-", stdin=deployment(env=[{"name": "A", "value": "1"}]))
    await lab.does("set", "env", "deployment/web", "B=2")
    await lab.does("apply", "-f", "-", stdin=deployment(env=[{"name": "A", "value": "3"}]))
    found = json.loads(await lab.does("get", "deployment", "web", "-o", "json"))
    (container,) = found["spec"]["template"]["spec"]["containers"]
    assert {one["name"]: one["value"] for one in container["env"]} == {"A": "3", "B": "2"}
    await lab.does("apply", "-f", "-", stdin=deployment(env=[{"name": "C", "value": "4"}]))
    found = json.loads(await lab.does("get", "deployment", "web", "-o", "json"))
    (container,) = found["spec"]["template"]["spec"]["containers"]
    assert {one["name"]: one["value"] for one in container["env"]} == {"C": "4", "B": "2"}


async def test_a_field_that_is_not_there_is_an_error_and_nothing_is_made(lab: Bench) -> None:
    wrong = deployment(imge="web:1")
    wrong["spec"]["colour"] = "red"
    ran = await lab.kubectl("create", "-f", "-", stdin=wrong)
    assert ran.code == 1
    assert (
        'Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: '
        'unknown field "spec.colour", unknown field "spec.template.spec.containers[0].imge"'
    ) in ran.err
    assert await lab.does("get", "deployments", "-o", "name") == ""


async def test_a_field_that_is_not_there_is_a_warning_if_one_asks_for_that(lab: Bench) -> None:
    wrong = deployment(imge="web:1")
    ran = await lab.kubectl("create", "--validate=warn", "-f", "-", stdin=wrong)
    assert ran.code == 0
    assert 'Warning: unknown field "spec.template.spec.containers[0].imge"\n' in ran.err
    assert "imge" not in await lab.does("get", "deployment", "web", "-o", "json")


async def test_apply_of_a_field_that_is_not_there_is_refused_too(lab: Bench) -> None:
    await lab.does("apply", "-f", "-", stdin=deployment())
    ran = await lab.kubectl("apply", "-f", "-", stdin=deployment(imge="web:1"))
    assert ran.code == 1
    assert "The request is invalid: patch: Invalid value: " in ran.err
    assert 'strict decoding error: unknown field "spec.template.spec.containers[0].imge"' in ran.err


async def test_a_value_of_the_wrong_type_is_named_by_its_path(lab: Bench) -> None:
    ran = await lab.kubectl("create", "-f", "-", stdin=deployment(env=[{"name": "A", "value": 1}]))
    assert (
        "json: cannot unmarshal number into Go struct field "
        "EnvVar.spec.template.spec.containers.env.value of type string"
    ) in ran.err


@pytest.mark.parametrize(
    ("path", "lines"),
    [
        ("node.spec.taints", ["FIELD: taints <[]Taint>", "  effect\t<string> -required-"]),
        ("csr.spec.request", ["FIELD: request <string>"]),
        ("deployment.spec.strategy", ["FIELD: strategy <DeploymentStrategy>"]),
        ("apiservice.spec", ["  caBundle\t<string>", "  insecureSkipTLSVerify\t<boolean>"]),
    ],
)
async def test_explain_knows_the_fields(lab: Bench, path: str, lines: list[str]) -> None:
    printed = (await lab.does("explain", path)).splitlines()
    assert [line for line in lines if line not in printed] == []


async def test_the_protobuf_form_is_what_kubectl_reads(lab: Bench) -> None:
    """plaintext-openapiv2 is the form of kubectl before 1.27; it reads gnostic's protobuf only."""
    printed = await lab.does("explain", "--output=plaintext-openapiv2", "node.spec.taints")
    assert "RESOURCE: taints <[]Object>" in printed
    assert "effect\t<string> -required-" in printed


async def test_a_dry_run_keeps_nothing(lab: Bench) -> None:
    printed = await lab.does("apply", "--dry-run=server", "-f", "-", stdin=deployment())
    assert printed == "deployment.apps/web created (server dry run)\n"
    assert await lab.does("get", "deployments", "-o", "name") == ""


async def test_a_document_is_not_sent_twice(lab: Bench) -> None:
    for path in ("/openapi/v2", "/openapi/v3", "/openapi/v3/apis/apps/v1"):
        async with lab.session.get(lab.server.url + path) as answer:
            tag = answer.headers["ETag"]
        again = {"If-None-Match": tag}
        async with lab.session.get(lab.server.url + path, headers=again) as answer:
            assert answer.status == 304


def test_the_form_is_what_was_asked_for() -> None:
    assert _type("*/*") == _type("") == _type("application/json") == "application/json"
    assert _type(f"{PROTOBUF}, application/json").endswith("+protobuf")
    assert _type(f"application/json;q=1, {PROTOBUF}") == "application/json"


def _type(accept: str) -> str:
    served = document("/openapi/v2", accept)
    assert served
    return served.media_type


@pytest.mark.parametrize("path", ["/openapi", "/openapi/v4", "/openapi/v3/apis/none/v1", "/x"])
def test_there_is_nothing_elsewhere(path: str) -> None:
    assert document(path, "") is None


def _references(value: Any) -> set[str]:
    if isinstance(value, dict):
        found = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return found.union(*(map(_references, value.values())))
    if isinstance(value, list):
        return set().union(*map(_references, value))
    return set()


def test_every_reference_leads_somewhere() -> None:
    whole = version_2()
    assert {name.removeprefix("#/definitions/") for name in _references(whole)} <= set(
        whole["definitions"]
    )
    for kind in KINDS.values():
        place = f"apis/{kind.group}/v" if kind.group else "api/v"
        part = version_3(place[:-1] + kind.version)
        assert part
        known = {f"#/components/schemas/{name}" for name in part["components"]["schemas"]}
        assert _references(part) <= known


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: f"{kind.resource}.{kind.version}")
def test_every_kind_has_its_type(kind: Kind) -> None:
    message = message_for(kind)
    assert message.real_name == kind.kind
    assert "metadata" in message.fields
    definition = version_2()["definitions"][message.definition]
    (named,) = definition["x-kubernetes-group-version-kind"]
    assert named == {"group": kind.group, "version": kind.version, "kind": kind.kind}


def test_no_number_stands_twice_in_a_message() -> None:
    for message in messages().values():
        numbers = [one.number for one in message.fields.values()]
        assert len(numbers) == len(set(numbers)), message.name
