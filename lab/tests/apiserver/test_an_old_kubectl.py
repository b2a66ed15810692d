"""kubectl 1.20 asks otherwise: no aggregated discovery, no protobuf bodies, validation by itself from OpenAPI 2."""

import asyncio
import base64
import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from kubevouch_lab.apiserver.backends import Backends
from kubevouch_lab.apiserver.kinds import CSRS
from kubevouch_lab.signer.csr_strategy import CsrStrategy
from lab.tests.apiserver.bench import PATIENT, Bench, Ran, bench
from lab.tests.apiserver.test_openapi import deployment
from lab.tests.apiserver.test_what_kubectl_prints_of_recorded_objects import keep
from tests.support.authority import Authority
from tests.support.old_kubectl import old_kubectl

pytestmark = pytest.mark.skipif(
    old_kubectl() is None and os.environ.get("CI") != "true",
    reason="no kubectl 1.20 here: see tests/support/old_kubectl.py",
)


@dataclass
class Old:
    lab: Bench

    async def start(self, *args: str) -> asyncio.subprocess.Process:
        folder = self.lab.folder
        return await asyncio.create_subprocess_exec(
            str(old_kubectl()),
            *args,
            env={"HOME": str(folder / "old"), "KUBECONFIG": str(folder / "kubeconfig")},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def kubectl(self, *args: str, stdin: Any = None) -> Ran:
        process = await self.start(*args)
        raw = b"" if stdin is None else json.dumps(stdin).encode()
        async with asyncio.timeout(PATIENT):
            out, err = await process.communicate(raw)
        return Ran(process.returncode or 0, out.decode(), err.decode())

    async def does(self, *args: str, stdin: Any = None) -> str:
        ran = await self.kubectl(*args, stdin=stdin)
        assert ran.code == 0, ran
        return ran.out


@pytest.fixture
async def old(tmp_path: Path, authority: Authority) -> AsyncIterator[Old]:
    requests = {("certificates.k8s.io", "certificatesigningrequests"): CsrStrategy()}
    async with bench(tmp_path, authority, backends=Backends(strategies=requests)) as lab:
        yield Old(lab)


async def test_it_is_old(old: Old) -> None:
    versions = json.loads(await old.does("version", "-o", "json"))
    assert versions["clientVersion"]["minor"] == "20"
    assert versions["serverVersion"]["minor"] == "36"


async def test_it_sees_what_the_new_one_sees(old: Old) -> None:
    keep(old.lab, "pending")
    for args in (
        ("get", "nodes"),
        ("get", "nodes", "-o", "wide"),
        ("get", "csr"),
        ("get", "apiservices"),
        ("get", "pods,deployments,services", "--all-namespaces", "-o", "wide"),
        ("get", "nodes", "-l", "node-role.kubernetes.io/control-plane", "-o", "name"),
        ("get", "csr", "--field-selector", "spec.signerName=kubernetes.io/kubelet-serving"),
        ("get", "deployment", "metrics-server", "-n", "kube-system", "-o", "json"),
        ("api-versions",),
        ("api-resources", "-o", "name"),
    ):
        ours, theirs = await asyncio.gather(old.does(*args), old.lab.does(*args))
        assert ours.split() == theirs.split(), args
    waited = await old.does("wait", "--for=condition=Ready", "nodes", "--all", "--timeout=5s")
    assert waited.count(" condition met\n") == 4


async def test_it_validates_by_itself(old: Old) -> None:
    wrong = deployment(imge="web:1")
    wrong["spec"]["colour"] = "red"
    ran = await old.kubectl("apply", "-f", "-", stdin=wrong)
    assert ran.code == 1
    for where, field, name in (
        ("Deployment.spec", "colour", "io.k8s.api.apps.v1.DeploymentSpec"),
        ("Deployment.spec.template.spec.containers[0]", "imge", "io.k8s.api.core.v1.Container"),
    ):
        assert f'ValidationError({where}): unknown field "{field}" in {name}' in ran.err
    del wrong["spec"]["selector"], wrong["spec"]["colour"]
    wrong["spec"]["template"]["spec"]["containers"] = [{"image": "i", "ports": [{}]}]
    ran = await old.kubectl("create", "-f", "-", stdin=wrong)
    assert 'missing required field "name" in io.k8s.api.core.v1.Container' in ran.err
    assert 'missing required field "selector" in io.k8s.api.apps.v1.DeploymentSpec' in ran.err


async def test_it_applies_patches_and_deletes(old: Old) -> None:
    made = deployment(env=[{"name": "A", "value": "1"}])
    assert await old.does("apply", "-f", "-", stdin=made) == "deployment.apps/web created\n"
    assert await old.does("apply", "-f", "-", stdin=made) == "deployment.apps/web unchanged\n"
    await old.does("set", "env", "deployment/web", "B=2")
    made = deployment(env=[{"name": "A", "value": "3"}])
    assert await old.does("apply", "-f", "-", stdin=made) == "deployment.apps/web configured\n"
    await old.does("patch", "deployment", "web", "-p", '{"spec": {"replicas": 3}}')
    await old.does("label", "deployment", "web", "tier=front")
    found = json.loads(await old.does("get", "deployment", "web", "-o", "json"))
    (container,) = found["spec"]["template"]["spec"]["containers"]
    assert {one["name"]: one["value"] for one in container["env"]} == {"A": "3", "B": "2"}
    assert (found["spec"]["replicas"], found["metadata"]["labels"]) == (3, {"tier": "front"})
    assert await old.does("delete", "deployment", "web") == 'deployment.apps "web" deleted\n'


async def test_it_explains(old: Old) -> None:
    printed = await old.does("explain", "certificatesigningrequest.spec")
    assert "RESOURCE: spec <Object>" in printed
    assert "signerName\t<string> -required-" in printed


async def test_it_approves_and_denies(old: Old) -> None:
    for name, word in (("one", "approve"), ("two", "deny")):
        old.lab.local.create(CSRS, _request(name))
        said = await old.does("certificate", word, name)
        assert said.startswith(f"certificatesigningrequest.certificates.k8s.io/{name} ")
    rows = [line.split() for line in (await old.does("get", "csr", "--no-headers")).splitlines()]
    assert [(row[0], row[-1]) for row in rows] == [("one", "Approved"), ("two", "Denied")]


async def test_it_watches(old: Old) -> None:
    process = await old.start("get", "namespaces", "--watch", "-o", "name")
    assert process.stdout
    async with asyncio.timeout(PATIENT):
        seen = [await process.stdout.readline() for _ in range(4)]
        assert b"namespace/default\n" in seen
        await old.lab.does("create", "namespace", "later")
        assert await process.stdout.readline() == b"namespace/later\n"
        process.kill()
        await process.wait()


def _request(name: str) -> dict[str, Any]:
    key = ec.generate_private_key(ec.SECP256R1())
    node = "system:node:n1"
    subject = x509.Name(
        [
            x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "system:nodes"),
            x509.NameAttribute(x509.NameOID.COMMON_NAME, node),
        ]
    )
    names = x509.SubjectAlternativeName([x509.DNSName("n1")])
    built = x509.CertificateSigningRequestBuilder().subject_name(subject)
    signed = built.add_extension(names, critical=False).sign(key, hashes.SHA256())
    pem = signed.public_bytes(serialization.Encoding.PEM)
    return {
        "metadata": {"name": name},
        "spec": {
            "request": base64.b64encode(pem).decode(),
            "signerName": "kubernetes.io/kubelet-serving",
            "usages": ["digital signature", "server auth"],
        },
    }
