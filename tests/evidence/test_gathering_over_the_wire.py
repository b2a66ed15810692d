"""One snapshot over the wire: everything at once, bounded, read only, and each bad answer a doubt of its own."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import yaml
from aiohttp import web

from kubevouch.cli.common.roles import roles_of
from kubevouch.evidence.gather.snapshot import gather
from kubevouch.evidence.measured import DoubtKind, Measured
from kubevouch.evidence.snapshot import Evidence
from kubevouch.kube.errors import ApiUnreachable, NotAnApiServer, Unauthorized
from kubevouch.kube.io.transport import ResponseLimits
from kubevouch.kube.resources import CSRS
from kubevouch_lab.apiserver import status
from tests.support.apiservers import MOMENT, PATIENT, client_of
from tests.support.clocks import WoundClock
from tests.support.rows import only_long
from tests.support.scenario import Expected, Request, Scenario
from tests.support.scripted import faults, reviews
from tests.support.scripted.kinds import KINDS
from tests.support.stage import Stage, kind_of, staged

PODS = KINDS["", "v1", "pods"]
NOTHING_EXPECTED = Expected(finds=(), exit=0)
HEALTHY = Scenario(title="healthy", expected=NOTHING_EXPECTED)
WAITING = Scenario(
    title="a request waits", requests=(Request(node="k8s-worker-1"),), expected=NOTHING_EXPECTED
)
SYSTEM = "/api/v1/namespaces/kube-system"
# What is asked for, and where its answer lies in the snapshot.
QUESTIONS: dict[str, tuple[str, Callable[[Evidence], Measured[Any]]]] = {
    "nodes": ("/api/v1/nodes", lambda e: e.nodes),
    "requests": (
        "/apis/certificates.k8s.io/v1/certificatesigningrequests",
        lambda e: e.csrs,
    ),
    "uid": (SYSTEM, lambda e: e.cluster.uid),
    "version": ("/version", lambda e: e.cluster.version),
    "trust": (f"{SYSTEM}/configmaps/kube-root-ca.crt", lambda e: e.trust),
    "kubelet-config": (f"{SYSTEM}/configmaps/kubelet-config", lambda e: e.kubelet_config),
    "api-service": (
        "/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.metrics.k8s.io",
        lambda e: e.metrics.api_service,
    ),
    "api-service of v1": (
        "/apis/apiregistration.k8s.io/v1/apiservices/v1.metrics.k8s.io",
        lambda e: (e.metrics.others or (e.metrics,))[0].api_service,
    ),
    "service": (f"{SYSTEM}/services/metrics-server", lambda e: e.metrics.service),
    "pods": (f"{SYSTEM}/pods", lambda e: e.metrics.pods),
    "deployment": (
        "/apis/apps/v1/namespaces/kube-system/deployments",
        lambda e: e.metrics.deployment,
    ),
    "logs": (f"{SYSTEM}/pods/metrics-server-*", lambda e: e.metrics.failures),
    "node-metrics": ("/apis/metrics.k8s.io/v1beta1/nodes", lambda e: e.metrics.node_metrics),
    "roles": ("/apis/rbac.authorization.k8s.io/v1/clusterroles", lambda e: e.approvers),
    "bindings": (
        "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
        lambda e: e.approvers,
    ),
}
BAD_ANSWERS = {
    "forbidden": (faults.refuse(status.forbidden("", "things", "", "no")), DoubtKind.NOT_ALLOWED),
    "400": (faults.refuse(status.bad_request("a container name must be specified")), DoubtKind.FAILED),
    "500": (faults.refuse(status.StatusError(500, "InternalError", "etcd")), DoubtKind.FAILED),
    "too busy": (faults.refuse(status.too_many_requests(1)), DoubtKind.FAILED),
    "no JSON": (faults.answer(200, "{" * 100, Content_Type="application/json"), DoubtKind.FAILED),
    "other JSON": (
        faults.answer(200, '{"metadata": 1, "items": 2, "gitVersion": 3}', Content_Type="application/json"),
        DoubtKind.FAILED,
    ),
    "cut short": (faults.truncated(b'{"items": ['), DoubtKind.FAILED),
}  # fmt: skip
OF_EACH_QUESTION = ("forbidden", "other JSON", "cut short")


@contextlib.asynccontextmanager
async def seen(
    scenario: Scenario, limits: ResponseLimits = PATIENT
) -> AsyncIterator[tuple[Stage, Callable[..., Any]]]:
    clock = WoundClock(MOMENT)
    async with (
        staged(scenario, clock) as stage,
        client_of(stage.access, clock, limits) as api,
    ):
        yield stage, lambda **more: gather(api, clock=clock, **more)


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("every", [False, only_long(True)])
async def test_a_bad_answer_is_a_doubt_and_the_rest_is_known(question: str, every: bool) -> None:
    path, answer_in = QUESTIONS[question]
    async with seen(HEALTHY) as (stage, look):
        for name, (play, kind) in BAD_ANSWERS.items():
            if question == "logs" and "JSON" in name:
                continue  # a log is text: nothing in it is wrong
            if name not in OF_EACH_QUESTION and not every and question != "nodes":
                continue
            stage.server.faults.on(path, play)
            evidence = await look()
            stage.server.faults.clear()
            doubt = answer_in(evidence).doubt
            assert doubt is not None and doubt.kind is kind, (name, answer_in(evidence))
            assert doubt.text, name
            # Its own answer, and what can only be asked after it.
            unknown = {each for each, (_, of) in QUESTIONS.items() if not of(evidence).is_known}
            assert unknown <= {question, *_BEHIND.get(question, ())}, name
        evidence = await look()
        assert all(of(evidence).is_known for _, of in QUESTIONS.values())


_BEHIND = {
    "api-service": ("service", "api-service of v1"),
    "pods": ("logs",),
    "roles": ("bindings",),
    "bindings": ("roles",),
}


async def test_everything_that_can_be_is_asked_before_anything_is_answered() -> None:
    """Each of the first questions is held back until the others have come, too: one after the other they never would."""
    first = {
        QUESTIONS[each][0]
        for each in (
            "nodes", "requests", "uid", "version", "trust", "kubelet-config", "api-service", "node-metrics", "roles",
            "bindings",
        )
    }  # fmt: skip
    came: set[str] = set()
    all_came = asyncio.Event()

    async def not_before_all(request: web.Request) -> web.StreamResponse:
        came.add(request.path)
        if came == first:
            all_came.set()
        await all_came.wait()
        raise status.StatusError(500, "InternalError", "all have come")

    async with seen(HEALTHY) as (stage, look):
        for path in first:
            stage.server.faults.on(path, not_before_all)
        async with asyncio.timeout(60):
            await look()
    assert came == first


async def test_a_list_of_several_pages_is_whole_and_sorted_by_age() -> None:
    async with seen(WAITING) as (stage, look):
        store, csrs = stage.server.store, kind_of("CertificateSigningRequest")
        model = store.get(csrs, "csr-1")
        for number in range(CSRS.page + 7):
            metadata = {
                "name": f"csr-page-{(number * 7919) % 1000:03}-{number}",
                "creationTimestamp": f"2026-11-24T{number % 11:02}:{number % 60:02}:00Z",
                "resourceVersion": str(number),
                "uid": f"uid-{number}",
            }
            store.put(csrs, {**model, "metadata": metadata})
        evidence = await look()
        found = evidence.csrs.value
        assert len(found) == CSRS.page + 8
        ages = [each.metadata.creation_timestamp for each in found]
        assert ages == sorted(ages)
        lists = [r for r in stage.server.requests if r.path == QUESTIONS["requests"][0]]
        assert [("continue" in each.query) for each in lists] == [False, True]


async def test_one_slow_answer_does_not_take_the_others_with_it() -> None:
    async with seen(HEALTHY, ResponseLimits(connect=30, total=3)) as (stage, look):
        stage.server.faults.on(QUESTIONS["deployment"][0], faults.silence())
        evidence = await look()
        doubt = evidence.metrics.deployment.doubt
        assert doubt.kind is DoubtKind.FAILED
        assert "no complete response within 3 seconds" in doubt.text
        assert evidence.nodes.is_known and evidence.approvers.is_known


async def test_kubelets_are_dialled_while_a_log_is_waited_for() -> None:
    """The API server has the log from a kubelet, which may hang: who waited for one after the other waited twice."""
    async with seen(HEALTHY, ResponseLimits(connect=30, total=5)) as (stage, look):

        async def after_a_handshake(_: web.Request) -> web.StreamResponse:
            while not all(kubelet.seen for kubelet in stage.kubelets.values()):
                await asyncio.sleep(0.01)
            return web.Response(text="")

        stage.server.faults.on(QUESTIONS["logs"][0], after_a_handshake)
        evidence = await look()
        assert evidence.metrics.failures.is_known, evidence.metrics.failures.doubt
        assert len(evidence.served) == len(stage.kubelets)


@pytest.mark.parametrize(
    ("play", "error"),
    [
        (faults.refuse(status.unauthorized()), Unauthorized),
        (faults.html(200), NotAnApiServer),
        (faults.redirect("https://login.example.com"), NotAnApiServer),
        (faults.silence(), ApiUnreachable),
    ],
    ids=["401", "a web page", "a redirect", "silence"],
)
async def test_what_concerns_all_questions_is_raised(
    play: faults.Play, error: type[Exception]
) -> None:
    async with seen(HEALTHY, ResponseLimits(connect=30, total=5)) as (stage, look):
        stage.server.faults.on("/*", play)
        with pytest.raises(error):
            await look()


async def test_what_is_not_there_is_known_not_to_be_there() -> None:
    gone = Scenario(
        title="bare",
        objects={"APIService/*": None, "ConfigMap/kubelet-config": None, "Deployment/*": None},
        expected=NOTHING_EXPECTED,
    )
    async with seen(gone) as (_, look):
        evidence = await look()
    for found in (
        evidence.metrics.api_service,
        evidence.kubelet_config,
        evidence.metrics.deployment,
    ):
        assert found.is_known and found.value is None


async def test_it_reads_and_sends_no_byte_to_a_kubelet() -> None:
    async with seen(WAITING) as (stage, look):
        await look()
        assert {each.method for each in stage.server.requests} == {"GET"}
        assert len(stage.kubelets) == 4
        for kubelet in stage.kubelets.values():
            async with asyncio.timeout(60):
                while kubelet.open:  # it has still to read the last of it
                    await asyncio.sleep(0)
            assert [each.shook_hands for each in kubelet.seen] == [True]
            assert kubelet.sent == b""
            assert kubelet.seen[0].client_certificate is None


async def test_the_clusters_names_are_read_only_while_a_request_waits() -> None:
    """A list of all Services costs more than the rest together on a large cluster."""
    for scenario, asked in ((HEALTHY, False), (WAITING, True)):
        async with seen(scenario) as (stage, look):
            evidence = await look()
            paths = {each.path for each in stage.server.requests}
            assert ("/api/v1/services" in paths) is asked
            assert (evidence.names is not None) is asked


@pytest.mark.parametrize("scenario", [HEALTHY, WAITING], ids=["healthy", "waiting"])
async def test_the_printed_role_is_enough(scenario: Scenario) -> None:
    """Every question to the authorizer is one that the reader role has a rule for, and Secrets are never asked for."""
    roles = list(yaml.safe_load_all(roles_of("reader")))

    def allowed(asked: reviews.Attributes) -> bool:
        return any(
            role["kind"] == "ClusterRole" or role["metadata"]["namespace"] == asked.namespace
            for role in roles
            for rule in role["rules"]
            if asked.verb in rule["verbs"]
            and asked.group in rule["apiGroups"]
            and asked.resource in rule["resources"]
            and asked.name in rule.get("resourceNames", [asked.name])
        )

    async with seen(scenario) as (stage, look):
        stage.server.authorize = allowed
        evidence = await look(with_certificates=True)
    assert all(of(evidence).is_known for _, of in QUESTIONS.values())
    assert all(each.is_ordinary for each in evidence.certificates.not_read)
    assert evidence.names is None or not evidence.names.doubts


async def test_a_pod_that_a_node_calls_a_metrics_server_tells_nothing() -> None:
    """A node may create mirror pods of its own with any labels: its log would blame other nodes, its flags be taken for ours."""
    said = 'E1124 12:00:00.000000       1 scraper.go:149] "Failed to scrape node" err="no" node="k8s-worker-2"\n'
    forged = {
        "metadata": {
            "name": "a-metrics-server",
            "labels": {"k8s-app": "metrics-server"},
            "annotations": {"kubernetes.io/config.mirror": "0123abcd"},
        },
        "spec": {
            "nodeName": "k8s-worker-1",
            "containers": [{"name": "metrics-server", "args": ["--kubelet-insecure-tls"]}],
        },
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    }
    async with seen(HEALTHY) as (stage, look):
        honest = await look()
        stage.server.store.create(PODS, forged, "kube-system")
        stage.server.logs["kube-system", "a-metrics-server", "metrics-server"] = said
        evidence = await look()
    assert evidence.metrics.failures.value == honest.metrics.failures.value == ()
    assert evidence.metrics.pods.value == honest.metrics.pods.value
    assert evidence.metrics.flags == honest.metrics.flags
