"""The Kubernetes project's own Python client asks for certificates, decides, signs and is told who may."""

import asyncio
import base64
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pytest

from kubevouch_lab.apiserver.kinds import CSRS, SERVICE_ACCOUNTS
from lab.tests.plane import Plane
from tests.support.official_client import client, config, watch
from tests.support.requests import request

T = TypeVar("T")


@pytest.fixture
def api(running: Plane) -> Iterator[Any]:
    configuration = client.Configuration()
    config.load_kube_config(
        str(running.folder / "admin"), client_configuration=configuration, persist_config=False
    )
    with client.ApiClient(configuration) as made:
        yield made


async def does(call: Callable[[], T]) -> T:
    async with asyncio.timeout(60):
        return await asyncio.to_thread(call)


async def test_a_request_is_made_approved_and_signed(running: Plane, api: Any) -> None:
    signing = asyncio.create_task(running.signers().run())

    def work() -> str:
        certificates = client.CertificatesV1Api(api)
        spec = client.V1CertificateSigningRequestSpec(
            request=base64.b64encode(request("n1", ["n1"])).decode(),
            signer_name="kubernetes.io/kubelet-serving",
            usages=["digital signature", "server auth"],
            expiration_seconds=86_400,
        )
        body = client.V1CertificateSigningRequest(
            metadata=client.V1ObjectMeta(name="asked"), spec=spec
        )
        made = certificates.create_certificate_signing_request(body)
        assert made.spec.username == "kubernetes-admin"
        condition = client.V1CertificateSigningRequestCondition(
            type="Approved", status="True", reason="Test", message="by a test"
        )
        made.status.conditions = [condition]
        approved = certificates.replace_certificate_signing_request_approval("asked", made)
        assert [each.type for each in approved.status.conditions] == ["Approved"]
        watching = watch.Watch()
        for event in watching.stream(
            certificates.list_certificate_signing_request, timeout_seconds=30
        ):
            if event["object"].status.certificate:
                watching.stop()
                return str(event["object"].status.certificate)
        raise AssertionError("never signed")

    signed = await does(work)
    signing.cancel()
    assert base64.b64decode(signed).startswith(b"-----BEGIN CERTIFICATE-----\n")
    assert running.store.get(CSRS, "asked")["spec"]["expirationSeconds"] == 86_400


async def test_reviews_and_tokens(running: Plane, api: Any) -> None:
    running.admin.create(SERVICE_ACCOUNTS, {"metadata": {"name": "robot", "namespace": "default"}})

    def work() -> None:
        core = client.CoreV1Api(api)
        asked = client.AuthenticationV1TokenRequest(
            spec=client.V1TokenRequestSpec(audiences=[], expiration_seconds=600)
        )
        token = core.create_namespaced_service_account_token("robot", "default", asked).status.token
        review = client.V1TokenReview(spec=client.V1TokenReviewSpec(token=token))
        told = client.AuthenticationV1Api(api).create_token_review(review).status
        assert told.authenticated
        assert told.user.username == "system:serviceaccount:default:robot"
        attributes = client.V1ResourceAttributes(verb="get", resource="nodes")
        access = client.V1SubjectAccessReview(
            spec=client.V1SubjectAccessReviewSpec(
                user="system:node:n1", groups=["system:nodes"], resource_attributes=attributes
            )
        )
        answer = client.AuthorizationV1Api(api).create_subject_access_review(access).status
        assert not answer.allowed
        assert answer.reason == "node 'n1' cannot read all nodes, only its own Node object"

    await does(work)
