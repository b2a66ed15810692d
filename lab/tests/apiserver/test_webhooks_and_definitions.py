"""Webhooks and CRDs are kept as real kubectl wants them; none is called, and nothing that a CRD defines is served."""

import json
from base64 import b64encode
from typing import Any

import pytest

from lab.tests.apiserver.bench import Bench

BUNDLE = b64encode(b"-----BEGIN CERTIFICATE-----").decode()
SERVICE = {"namespace": "default", "name": "hook"}
GROUP = "admissionregistration.k8s.io/v1"


def webhooks(kind: str = "ValidatingWebhookConfiguration", **client: Any) -> dict[str, Any]:
    called = client or {"service": dict(SERVICE), "caBundle": BUNDLE}
    webhook = {
        "name": "hook.example.com",
        "clientConfig": called,
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }  # fmt: skip
    return {"apiVersion": GROUP, "kind": kind, "metadata": {"name": "hook"}, "webhooks": [webhook]}


def definition(name: str = "things.example.com", **conversion: Any) -> dict[str, Any]:
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "properties": {"a": {"enum": [1, "b"]}}}},
    }
    spec = {
        "group": "example.com",
        "names": {"plural": "things", "kind": "Thing"},
        "scope": "Namespaced",
        "versions": [version],
        **({"conversion": conversion} if conversion else {}),
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": name},
        "spec": spec,
    }


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("ValidatingWebhookConfiguration", {}),
        ("MutatingWebhookConfiguration", {"reinvocationPolicy": "Never"}),
    ],
)
async def test_webhooks_have_defaults_and_applied_again_they_are_unchanged(
    lab: Bench, kind: str, more: dict[str, str]
) -> None:
    made = await lab.does("apply", "-f", "-", stdin=webhooks(kind))
    assert made == f"{kind.lower()}.admissionregistration.k8s.io/hook created\n"
    # A list that is replaced whole: where it says all, kubectl has nothing to change.
    said = webhooks(kind)
    said["webhooks"][0]["rules"][0]["scope"] = "*"
    assert (await lab.does("apply", "-f", "-", stdin=said)).endswith(" configured\n")
    assert (await lab.does("apply", "-f", "-", stdin=said)).endswith(" unchanged\n")
    [found] = json.loads(await lab.does("get", kind, "hook", "-o", "json"))["webhooks"]
    assert found["clientConfig"] == {"service": {**SERVICE, "port": 443}, "caBundle": BUNDLE}
    assert (found["failurePolicy"], found["timeoutSeconds"]) == ("Fail", 10)
    assert found["rules"][0]["scope"] == "*"
    assert {key: found.get(key) for key in more} == more
    heading, line = (await lab.does("get", kind)).splitlines()
    assert heading.split() == ["NAME", "WEBHOOKS", "AGE"]
    assert line.split()[:2] == ["hook", "1"]


async def test_a_webhook_that_cannot_be_called_is_refused(lab: Bench) -> None:
    both = webhooks(service=dict(SERVICE), url="https://hook.example.com/")
    ran = await lab.kubectl("create", "-f", "-", stdin=both)
    assert ran.code == 1
    assert "exactly one of url or service is required" in ran.err
    wrong = webhooks()
    wrong["webhooks"][0]["clientConfig"]["caBundel"] = BUNDLE
    ran = await lab.kubectl("create", "-f", "-", stdin=wrong)
    assert 'unknown field "webhooks[0].clientConfig.caBundel"' in ran.err


async def test_a_definition_is_kept_and_what_it_defines_is_not_served(lab: Bench) -> None:
    called = {"clientConfig": {"service": dict(SERVICE), "caBundle": BUNDLE}}
    webhook = {**called, "conversionReviewVersions": ["v1"]}
    wanted = definition(strategy="Webhook", webhook=webhook)
    await lab.does("apply", "-f", "-", stdin=wanted)
    assert (await lab.does("apply", "-f", "-", stdin=wanted)).endswith(" unchanged\n")
    found = json.loads(await lab.does("get", "crd", "things.example.com", "-o", "json"))
    assert found["spec"]["conversion"]["webhook"]["clientConfig"]["service"]["port"] == 443
    assert found["spec"]["names"]["listKind"] == "ThingList"
    assert found["spec"]["versions"] == wanted["spec"]["versions"]
    assert found["status"]["conditions"] == []
    assert "CREATED AT" in await lab.does("get", "crd")
    ran = await lab.kubectl("get", "things")
    assert 'the server doesn\'t have a resource type "things"' in ran.err


async def test_a_definition_is_named_after_what_it_defines(lab: Bench) -> None:
    ran = await lab.kubectl("create", "-f", "-", stdin=definition("other.example.com"))
    assert ran.code == 1
    assert 'must be spec.names.plural+"."+spec.group' in ran.err
