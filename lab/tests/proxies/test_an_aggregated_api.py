"""An APIService from its condition to its answer: a real backend on loopback, real TLS, real kubectl."""

import asyncio
import base64
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web

from kubevouch_lab.apiserver import discovery
from kubevouch_lab.apiserver.kinds import (
    API_SERVICES,
    CLUSTER_ROLE_BINDINGS,
    ENDPOINT_SLICES,
    SERVICE_ACCOUNTS,
    SERVICES,
)
from kubevouch_lab.controllers.availability import Availability
from kubevouch_lab.objects import condition
from lab.tests.plane import Plane, until
from tests.support.authority import Authority, Pair
from tests.support.contexts import server_context
from tests.support.scripted.kinds import METRICS

NAME = "v1beta1.metrics.k8s.io"
PATH = "/apis/metrics.k8s.io/v1beta1"
RESOURCES = {
    "kind": "APIResourceList",
    "apiVersion": "v1",
    "groupVersion": "metrics.k8s.io/v1beta1",
    "resources": [discovery._resource(METRICS[0])],
}


@dataclass
class Server:
    port: int = 0
    code: int = 200
    seen: list[web.Request] = field(default_factory=list)
    subjects: list[Any] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        self.seen.append(request)
        self.subjects.append(request.get_extra_info("peercert"))
        return web.json_response(RESOURCES, status=self.code)


@contextlib.asynccontextmanager
async def serving(running: Plane, pair: Pair | None = None) -> AsyncIterator[Server]:
    """pair: unless it is the good one."""
    good = pair or running.authority.serving("metrics-server.kube-system.svc")
    context = server_context(good, client_ca=running.authority.pem)
    server = Server()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    server.port = runner.addresses[0][1]
    try:
        yield server
    finally:
        await runner.cleanup()


def api_service(**spec: Any) -> dict[str, Any]:
    made = {
        "group": "metrics.k8s.io",
        "version": "v1beta1",
        "service": {"name": "metrics-server", "namespace": "kube-system"},
        "groupPriorityMinimum": 100,
        "versionPriority": 100,
        **spec,
    }
    return {"metadata": {"name": NAME}, "spec": made}


def service() -> dict[str, Any]:
    port = {"name": "https", "port": 443, "targetPort": "https"}
    spec = {"selector": {"k8s-app": "metrics-server"}, "ports": [port]}
    return {"metadata": {"name": "metrics-server", "namespace": "kube-system"}, "spec": spec}


def endpoints(port: int, *, ready: bool = True) -> dict[str, Any]:
    return {
        "metadata": {
            "name": "metrics-server-x",
            "namespace": "kube-system",
            "labels": {"kubernetes.io/service-name": "metrics-server"},
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["127.0.0.1"], "conditions": {"ready": ready}}],
        "ports": [{"name": "https", "port": port, "protocol": "TCP"}],
    }


async def looked(running: Plane) -> tuple[str, str, str]:
    """What the condition says after one look."""
    availability = Availability(running.store, running.admin, running.aggregation, running.clock)
    await availability.look()
    found = condition(running.store.get(API_SERVICES, NAME), "Available")
    assert found
    return found["status"], found["reason"], found["message"]


def made(running: Plane, port: int, *, bundle: bytes = b"") -> None:
    spec: dict[str, Any] = {"insecureSkipTLSVerify": True}
    if bundle:
        spec = {"caBundle": base64.b64encode(bundle).decode()}
    running.admin.create(API_SERVICES, api_service(**spec))
    running.admin.create(SERVICES, service())
    running.admin.create(ENDPOINT_SLICES, endpoints(port))


async def test_the_condition_says_what_is_missing(running: Plane) -> None:
    where = 'service/metrics-server in "kube-system"'
    running.admin.create(API_SERVICES, api_service(insecureSkipTLSVerify=True))
    assert await looked(running) == ("False", "ServiceNotFound", f"{where} is not present")
    body = service()
    body["spec"]["ports"][0]["port"] = 444
    running.admin.create(SERVICES, body)
    text = f"{where} is not listening on port 443"
    assert await looked(running) == ("False", "ServicePortError", text)
    body["spec"]["ports"][0]["port"] = 443
    running.admin.patch(SERVICES, "metrics-server", {"spec": body["spec"]}, "kube-system")
    text = f"cannot find endpointslices for {where}"
    assert await looked(running) == ("False", "EndpointsNotFound", text)
    running.admin.create(ENDPOINT_SLICES, endpoints(1, ready=False))
    # To the letter what a real cluster (1.36) said of its metrics-server at 0/3.
    text = 'endpointslices for service/metrics-server in "kube-system" have no addresses with port name "https"'
    assert await looked(running) == ("False", "MissingEndpoints", text)
    shown = await running.does("get", "apiservice", NAME, "--no-headers")
    assert "kube-system/metrics-server   False (MissingEndpoints)" in shown


async def test_a_good_backend_is_asked_with_the_callers_identity(running: Plane) -> None:
    async with serving(running) as backend:
        made(running, backend.port, bundle=running.authority.pem)
        assert await looked(running) == ("True", "Passed", "all checks passed")
        assert {each.headers["X-Remote-User"] for each in backend.seen} == {
            "system:kube-aggregator"
        }
        raw = await running.does("get", "--raw", f"{PATH}/nodes?labelSelector=a%3Db")
        assert json.loads(raw) == RESOURCES
        last = backend.seen[-1]
        assert last.rel_url.raw_path_qs == f"{PATH}/nodes?labelSelector=a%3Db"
        assert last.headers["X-Remote-User"] == "kubernetes-admin"
        assert last.headers.getall("X-Remote-Group") == ["system:masters", "system:authenticated"]
        key = "X-Remote-Extra-Authentication.kubernetes.io%2fcredential-Id"
        assert last.headers[key].startswith("X509SHA256=")
        assert backend.subjects[-1], "the front proxy shows its certificate"


async def test_who_is_impersonated_is_the_caller_to_the_backend(running: Plane) -> None:
    """And no header says so twice (WithImpersonation takes them away): our metrics server refuses those."""
    async with serving(running) as backend:
        made(running, backend.port)
        await looked(running)
        backend.seen.clear()
        him = ("--as=somebody", "--as-group=system:masters", "--as-uid=7")
        await running.does("get", "--raw", f"{PATH}/nodes", *him)
    last = backend.seen[-1]
    assert last.headers["X-Remote-User"] == "somebody"
    assert not [name for name in last.headers if name.lower().startswith("impersonate-")]


async def test_nobody_lends_himself_another_name(running: Plane) -> None:
    async with serving(running) as backend:
        made(running, backend.port)
        await looked(running)
        backend.seen.clear()
        account = {"metadata": {"name": "robot", "namespace": "kube-system"}}
        running.admin.create(SERVICE_ACCOUNTS, account)
        grant = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}
        subject = {"kind": "ServiceAccount", "name": "robot", "namespace": "kube-system"}
        bound = {"metadata": {"name": "robot"}, "roleRef": grant, "subjects": [subject]}
        running.admin.create(CLUSTER_ROLE_BINDINGS, bound)
        token = (await running.does("create", "token", "robot", "-n", "kube-system")).strip()
        code, _ = await running.ask_showing(
            None,
            "GET",
            f"{PATH}/nodes",
            Authorization=f"Bearer {token}",
            X_Remote_User="system:admin",
            X_Remote_Group="system:masters",
            X_Remote_Extra_Scopes="all",
        )
        assert code == 200
    (last,) = backend.seen
    assert last.headers.getall("X-Remote-User") == ["system:serviceaccount:kube-system:robot"]
    assert "system:masters" not in last.headers.getall("X-Remote-Group")
    assert "X-Remote-Extra-Scopes" not in last.headers
    assert "Authorization" not in last.headers


@pytest.mark.parametrize(
    ("names", "other", "why"),
    [
        (
            ("metrics-server.kube-system.svc",),
            True,
            "tls: failed to verify certificate: x509: certificate signed by unknown authority",
        ),
        (
            ("elsewhere",),
            False,
            "x509: certificate is valid for elsewhere, not metrics-server.kube-system.svc",
        ),
    ],
)
async def test_a_backend_that_is_not_trusted_gets_nothing(
    running: Plane, names: tuple[str, ...], other: bool, why: str
) -> None:
    authority = Authority("elsewhere") if other else running.authority
    async with serving(running, authority.serving(*names)) as backend:
        made(running, backend.port, bundle=running.authority.pem)
        status, reason, message = await looked(running)
        assert (status, reason) == ("False", "FailedDiscoveryCheck")
        assert message.startswith("failing or missing response from https://")
        assert why in message
        assert backend.seen == []
        # Up to 1.35 the check did not look, and this was what people saw.
        stored = running.admin.get(API_SERVICES, NAME)
        stored["status"]["conditions"][0] |= {"status": "True", "reason": "Passed"}
        running.admin.update(API_SERVICES, stored, "status")
        refused = await running.kubectl("get", "--raw", PATH)
        assert "(ServiceUnavailable)" in refused.err
        assert backend.seen == []


async def test_skipping_verification_believes_everybody(running: Plane) -> None:
    pair = Authority("elsewhere").serving("elsewhere")
    async with serving(running, pair) as backend:
        made(running, backend.port)
        assert (await looked(running))[0] == "True"
        backend.code = 401
        status, reason, message = await looked(running)
    assert (status, reason) == ("False", "FailedDiscoveryCheck")
    assert "bad status from https://" in message and message.endswith(f"{PATH}: 401")


async def test_what_is_not_available_is_not_served(running: Plane) -> None:
    made(running, 1)
    status, reason, message = await looked(running)
    assert (status, reason) == ("False", "FailedDiscoveryCheck")
    assert message.endswith("connect: connection refused")
    top = await running.kubectl("top", "nodes")
    assert (top.code, top.err) == (1, "error: Metrics API not available\n")


async def test_the_condition_follows_the_endpoints(running: Plane) -> None:
    async with serving(running) as backend:
        made(running, backend.port)
        running.admin.delete(ENDPOINT_SLICES, "metrics-server-x", "kube-system")
        availability = Availability(
            running.store, running.admin, running.aggregation, running.clock
        )
        task = asyncio.create_task(availability.run())

        def is_now(reason: str) -> bool:
            found = condition(running.store.get(API_SERVICES, NAME), "Available")
            return bool(found and found["reason"] == reason)

        await until(lambda: is_now("EndpointsNotFound"))
        running.admin.create(ENDPOINT_SLICES, endpoints(backend.port))
        await until(lambda: is_now("Passed"))
        waiting = asyncio.create_task(
            running.kubectl("wait", "--for=condition=Available", f"apiservice/{NAME}")
        )
        assert (await waiting).code == 0
        running.admin.delete(ENDPOINT_SLICES, "metrics-server-x", "kube-system")
        await until(lambda: is_now("EndpointsNotFound"))
        task.cancel()


async def test_discovery_lists_what_the_backend_serves_while_it_is_there(running: Plane) -> None:
    async with serving(running) as backend:
        made(running, backend.port)
        await looked(running)
        listed = ["api-resources", "--api-group=metrics.k8s.io", "--no-headers"]
        there = await running.does(*listed)
        assert there.split() == ["nodes", "metrics.k8s.io/v1beta1", "false", "NodeMetrics"]
        assert json.loads(await running.does("get", "--raw", PATH)) == RESOURCES
        backend.code = 500
        assert (await looked(running))[1] == "FailedDiscoveryCheck"
        assert await running.does(*listed) == ""
