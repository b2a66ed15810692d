"""Webhooks and CRDs are kept as real kubectl wants them; none is called, and nothing that a CRD defines is served."""

import json
from base64 import b64encode
from typing import Any

import pytest

from lab.tests.apiserver.bench import Bench

BUNDLE = b64encode(b"-----BEGIN CERTIFICATE-----").decode()
CALLED: Any = {"service": {"namespace": "default", "name": "hook"}, "caBundle": BUNDLE}


def webhooks(kind: str) -> dict[str, Any]:
    webhook = {
        "name": "hook.example.com",
        "clientConfig": CALLED,
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"], "scope": "*"}],
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }  # fmt: skip
    version = "admissionregistration.k8s.io/v1"
    named = {"apiVersion": version, "kind": kind, "metadata": {"name": "hook"}}
    return {**named, "webhooks": [webhook]}


def definition() -> dict[str, Any]:
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"a": {"enum": [1, "b"]}}}}
    webhook = {"conversionReviewVersions": ["v1"], "clientConfig": CALLED}
    spec = {
        "group": "example.com",
        "names": {"plural": "things", "kind": "Thing"},
        "scope": "Namespaced",
        "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        "conversion": {"strategy": "Webhook", "webhook": webhook},
    }
    named = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}
    return {**named, "metadata": {"name": "things.example.com"}, "spec": spec}


@pytest.mark.parametrize(
    ("thing", "at"),
    [
        (webhooks("ValidatingWebhookConfiguration"), ("webhooks", 0)),
        (webhooks("MutatingWebhookConfiguration"), ("webhooks", 0)),
        (definition(), ("spec", "conversion", "webhook")),
    ],
    ids=lambda value: value.get("kind", "") if isinstance(value, dict) else "",
)
async def test_defaults_are_filled_in_and_applied_again_nothing_changes(
    lab: Bench, thing: dict[str, Any], at: tuple[Any, ...]
) -> None:
    apply = ("apply", "-f", "-")
    assert "created" in await lab.does(*apply, stdin=thing)
    assert "unchanged" in await lab.does(*apply, stdin=thing)
    name = f"{thing['kind'].lower()}/{thing['metadata']['name']}"
    kept = json.loads(await lab.does("get", name, "-o", "json"))
    for step in at:
        kept = kept[step]
    assert kept["clientConfig"] == {**CALLED, "service": {**CALLED["service"], "port": 443}}


async def test_a_pod_is_made_though_a_webhook_would_have_its_word(lab: Bench) -> None:
    await lab.does("apply", "-f", "-", stdin=webhooks("ValidatingWebhookConfiguration"))
    await lab.does("run", "pod", "--image=i")


async def test_what_a_definition_defines_is_not_there(lab: Bench) -> None:
    await lab.does("apply", "-f", "-", stdin=definition())
    ran = await lab.kubectl("get", "things")
    assert (ran.code, "doesn't have a resource type" in ran.err) == (1, True)
