"""The life of a CertificateSigningRequest: written by real kubectl and kubelets' users, judged by real openssl."""

import asyncio
import base64
import subprocess
from datetime import timedelta
from typing import Any

import pytest

from kubevouch.x509 import pem
from kubevouch_lab.apiserver.kinds import CSRS
from kubevouch_lab.apiserver.request import AUTHENTICATED, UserInfo
from kubevouch_lab.apiserver.status import StatusError
from lab.tests.plane import NOW, Plane, until
from tests.support.requests import request

NODE = UserInfo("system:node:n1", groups=("system:nodes", AUTHENTICATED))
JOINER = UserInfo(
    "system:bootstrap:abcdef",
    groups=(
        "system:bootstrappers",
        "system:bootstrappers:kubeadm:default-node-token",
        AUTHENTICATED,
    ),
)
SERVING = "kubernetes.io/kubelet-serving"
CLIENT = "kubernetes.io/kube-apiserver-client-kubelet"


def csr(
    pem: bytes,
    signer: str = SERVING,
    usages: tuple[str, ...] = ("digital signature", "server auth"),
    **spec: Any,
) -> dict[str, Any]:
    encoded = base64.b64encode(pem).decode()
    asked = {"request": encoded, "signerName": signer, "usages": list(usages), **spec}
    return {"metadata": {"generateName": "csr-"}, "spec": asked}


def serving(node: str = "n1") -> dict[str, Any]:
    return csr(request(node, [node], ["192.168.88.111"]))


def client(node: str = "n1") -> dict[str, Any]:
    return csr(request(node), CLIENT, ("digital signature", "client auth"))


def test_who_asks_is_what_the_server_saw(running: Plane) -> None:
    body = serving()
    body["spec"] |= {"username": "system:admin", "groups": ["system:masters"], "uid": "1"}
    body["status"] = {"conditions": [{"type": "Approved", "status": "True"}]}
    kept = running.client(NODE).create(CSRS, body)
    assert kept["spec"]["username"] == "system:node:n1"
    assert kept["spec"]["groups"] == ["system:nodes", "system:authenticated"]
    assert "uid" not in kept["spec"]
    assert kept["status"] == {}


async def test_kubectl_approves_and_the_signer_signs(running: Plane) -> None:
    name = running.client(NODE).create(CSRS, serving())["metadata"]["name"]
    acting = asyncio.create_task(running.signers().run())
    await asyncio.sleep(0)
    assert "conditions" not in running.store.get(CSRS, name)["status"], "nobody approves these"
    said = await running.does("certificate", "approve", name)
    assert said == f"certificatesigningrequest.certificates.k8s.io/{name} approved\n"
    issued = await until(lambda: running.store.get(CSRS, name)["status"].get("certificate"))
    acting.cancel()
    text = openssl(running, base64.b64decode(issued))
    # Newer versions write no blanks around the sign.
    assert "Subject: O=system:nodes, CN=system:node:n1" in text.replace(" = ", "=")
    assert "DNS:n1, IP Address:192.168.88.111" in text
    assert "TLS Web Server Authentication\n" in text
    assert "X509v3 Key Usage: critical\n                Digital Signature\n" in text
    assert "CA:FALSE" in text
    begins, ends = NOW - timedelta(minutes=5), NOW + timedelta(days=365, minutes=-5)
    assert f"Not Before: {begins:%b %e %H:%M:%S %Y} GMT" in text
    assert f"Not After : {ends:%b %e %H:%M:%S %Y} GMT" in text
    listed = await running.does("get", "csr")
    assert "Approved,Issued" in listed
    denied = await running.kubectl("certificate", "deny", name)
    assert (denied.code, denied.out) == (1, "")
    assert "is already Approved" in denied.err


def openssl(running: Plane, pem: bytes) -> str:
    """What openssl reads in it, once it has verified it by the CA."""
    leaf, ca = running.folder / "leaf.pem", running.folder / "ca.pem"
    leaf.write_bytes(pem)
    ca.write_bytes(running.authority.pem)
    asked = ["openssl", "verify", "-x509_strict", "-CAfile", str(ca), str(leaf)]
    verified = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert verified.returncode == 0, verified
    shown = ["openssl", "x509", "-noout", "-text", "-in", str(leaf)]
    return subprocess.run(shown, capture_output=True, text=True, check=True).stdout


def test_a_joiner_and_a_node_get_client_certificates_at_once(running: Plane) -> None:
    signers = running.signers()
    for user, message in (
        (JOINER, "Auto approving kubelet client certificate after SubjectAccessReview."),
        (NODE, "Auto approving self kubelet client certificate after SubjectAccessReview."),
    ):
        kept = running.client(user).create(CSRS, client())
        signers.act(kept)
        status = running.store.get(CSRS, kept["metadata"]["name"])["status"]
        assert status["conditions"][0]["reason"] == "AutoApproved"
        assert status["conditions"][0]["message"] == message
        assert status["certificate"]


@pytest.mark.parametrize(
    ("user", "asked"),
    [
        (NODE, serving()),
        (JOINER, serving()),
        (UserInfo("eve", groups=(AUTHENTICATED,)), client()),
    ],
)
def test_the_cluster_itself_approves_nothing_else(
    running: Plane, user: UserInfo, asked: dict[str, Any]
) -> None:
    kept = running.client(user).create(CSRS, asked)
    running.signers().act(kept)
    assert running.store.get(CSRS, kept["metadata"]["name"])["status"] == {}


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (
            csr(request("n1", ["n1"], organizations=["nodes"])),
            "subject organization is not system:nodes",
        ),
        (csr(request("n1")), "DNS or IP subjectAltName is required"),
        (
            csr(request("n1", ["n1"]), usages=("server auth",)),
            "usages did not match [digital signature key encipherment server auth]",
        ),
        (
            csr(request("n1", ["n1"], common_name="n1")),
            "subject common name does not begin with system:node:",
        ),
        (
            csr(request("n1", ["n1"]), CLIENT, ("digital signature", "client auth")),
            "DNS subjectAltNames are not allowed",
        ),
        (
            csr(request("n1"), "kubernetes.io/kube-apiserver-client", ("server auth",)),
            "invalid usage for client certificate: server auth",
        ),
    ],
)
def test_a_signer_says_why_it_does_not_sign(running: Plane, body: dict[str, Any], why: str) -> None:
    kept = running.admin.create(CSRS, body)
    approve(running, kept)
    running.signers().act(running.store.get(CSRS, kept["metadata"]["name"]))
    status = running.store.get(CSRS, kept["metadata"]["name"])["status"]
    failed = [each for each in status["conditions"] if each["type"] == "Failed"]
    assert [(each["reason"], each["message"]) for each in failed] == [
        ("SignerValidationFailure", why)
    ]
    assert "certificate" not in status


def approve(running: Plane, kept: dict[str, Any], kind: str = "Approved") -> dict[str, Any]:
    made = {"type": kind, "status": "True", "reason": "Test", "message": "by a test"}
    status = {**kept["status"], "conditions": [*kept["status"].get("conditions", []), made]}
    return running.admin.update(CSRS, {**kept, "status": status}, "approval")


def refused(running: Plane, change: dict[str, Any], subresource: str = "") -> str:
    with pytest.raises(StatusError) as raised:
        running.admin.update(CSRS, change, subresource)
    assert raised.value.code == 422
    return raised.value.message


def test_a_decision_is_made_once(running: Plane) -> None:
    kept = approve(running, running.client(NODE).create(CSRS, serving()))
    name = kept["metadata"]["name"]
    both = {**kept, "status": {"conditions": [*kept["status"]["conditions"], denied()]}}
    assert refused(running, both, "approval").endswith(
        'status.conditions[1].type: Invalid value: "Denied": Approved and Denied conditions are mutually exclusive'
    )
    gone = {**kept, "status": {}}
    assert refused(running, gone, "approval") == (
        f'CertificateSigningRequest.certificates.k8s.io "{name}" is invalid: '
        'status.conditions: Forbidden: updates may not remove a condition of type "Approved"'
    )
    assert "updates may not add a condition" in refused(running, both, "status")


def denied() -> dict[str, Any]:
    return {"type": "Denied", "status": "True", "reason": "Test", "message": ""}


def test_what_may_not_change_vanishes_without_a_word(running: Plane) -> None:
    kept = running.client(NODE).create(CSRS, serving())
    for subresource in ("", "approval", "status"):
        changed = {**kept, "spec": {**kept["spec"], "username": "system:node:n2"}}
        changed["metadata"] = {**kept["metadata"], "resourceVersion": ""}
        changed["status"] = {"conditions": [denied()]} if not subresource else kept["status"]
        written = running.admin.update(CSRS, changed, subresource)
        assert written["spec"] == kept["spec"]
        assert written["status"] == {}


def test_a_certificate_comes_once(running: Plane) -> None:
    kept = approve(running, running.client(NODE).create(CSRS, serving()))
    running.signers().act(kept)
    signed = running.admin.get(CSRS, kept["metadata"]["name"])
    other = {**signed, "status": {**signed["status"], "certificate": "LS0t"}}
    assert "updates may not modify existing certificate content" in refused(
        running, other, "status"
    )
    assert running.admin.update(CSRS, other, "approval")["status"] == signed["status"]


def test_what_the_server_refuses_to_keep(running: Plane) -> None:
    for body, why in (
        (csr(b"no PEM"), "PEM block type must be CERTIFICATE REQUEST"),
        (csr(broken()), "x509: ECDSA verification failure"),
        (csr(request("n1", ["n1"]), usages=()), "spec.usages: Required value"),
        (
            csr(request("n1", ["n1"]), usages=("server auth", "server auth")),
            'spec.usages[1]: Duplicate value: "server auth"',
        ),
        (
            csr(request("n1", ["n1"]), "kubernetes.io/legacy-unknown"),
            "the legacy signerName is not allowed via this API version",
        ),
        (
            csr(request("n1", ["n1"]), "kubelet-serving"),
            "must be a fully qualified domain and path of the form 'example.com/signer-name'",
        ),
        (
            csr(request("n1", ["n1"]), expirationSeconds=599),
            "may not specify a duration less than 600 seconds (10 minutes)",
        ),
    ):
        with pytest.raises(StatusError) as raised:
            running.admin.create(CSRS, body)
        assert raised.value.code == 422
        assert why in raised.value.message


def broken() -> bytes:
    """A request whose signature does not verify."""
    (block,) = pem.blocks(request("n1", ["n1"]))
    changed = block.body[:-1] + bytes([block.body[-1] ^ 1])
    return pem.encode_block("CERTIFICATE REQUEST", changed)


def test_only_who_may_approve_approves(running: Plane) -> None:
    kept = running.client(NODE).create(CSRS, serving())
    approved = {**kept, "status": {"conditions": [{"type": "Approved", "status": "True"}]}}
    with pytest.raises(StatusError) as raised:
        running.client(NODE).update(CSRS, approved, "approval")
    assert raised.value.code == 403
    assert raised.value.message.endswith(
        'is forbidden: user not permitted to approve requests with signerName "kubernetes.io/kubelet-serving"'
    )


def test_a_node_asks_for_itself_alone(running: Plane) -> None:
    with pytest.raises(StatusError) as raised:
        running.client(NODE).create(CSRS, serving("n2"))
    assert raised.value.code == 403
    assert raised.value.message.endswith("can only create a node CSR with CN=system:node:n1")
    assert running.client(JOINER).create(CSRS, serving("n2")), "only nodes are held to their names"


@pytest.mark.parametrize(
    ("state", "hours", "stays"),
    [
        ("pending", 23.9, True),
        ("pending", 24.1, False),
        ("denied", 0.9, True),
        ("denied", 1.1, False),
        ("issued", 0.9, True),
        ("issued", 1.1, False),
        ("approved", 900, True),
    ],
)
async def test_the_cleaner_takes_what_is_old(
    running: Plane, state: str, hours: float, stays: bool
) -> None:
    kept = running.client(NODE).create(CSRS, serving())
    signers = running.signers()
    if state != "pending":
        kept = approve(running, kept, "Denied" if state == "denied" else "Approved")
    if state == "issued":
        signers.act(kept)
    await running.clock.wind(timedelta(hours=hours))
    signers.clean()
    assert (running.store.find(CSRS, kept["metadata"]["name"]) is not None) is stays
