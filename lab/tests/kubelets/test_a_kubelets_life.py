"""A kubelet from its first start to its rotation, against a real API server of the lab. Judged by openssl and kubectl."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from kubevouch_lab.apiserver.kinds import CSRS, LEASES, NODES, SECRETS
from kubevouch_lab.kubelets.reporter import ReportIntervals
from kubevouch_lab.nodes.services import StartFailure
from lab.tests.identity.test_who_asks import bootstrap_token
from lab.tests.kubelets.conftest import CONFIG, PKI, Node, node_of, rotated
from lab.tests.plane import Plane, until

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def name_of(leaf: x509.Certificate | None) -> str:
    assert leaf is not None
    return str(leaf.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


async def approve(cluster: Plane, name: str, kind: str = "Approved") -> None:
    request = cluster.admin.get(CSRS, name)
    said = {"type": kind, "status": "True", "reason": "Test", "message": "so be it"}
    request["status"] = {"conditions": [said]}
    cluster.admin.update(CSRS, request, "approval")


def _is_over(node: Node, name: str) -> bool:
    return node.kubelet.waits_for != name


async def test_without_a_seed_the_port_is_dark_until_the_request_is_signed(
    cluster: Plane, node: Node
) -> None:
    node.configure(bootstraps=True)
    await node.kubelet.start()
    assert await node.leaf() is None
    await until(lambda: [line for line in node.said if "TLS handshake error" in line])
    assert node.said[-1].endswith(": no serving certificate available for the kubelet")
    await approve(cluster, await node.asks())
    await until(lambda: not node.kubelet.waits_for)
    leaf = await node.leaf()
    assert name_of(leaf) == "system:node:k8s-worker-1.internal.example.com"
    current = node.files.path(f"{PKI}/kubelet-server-current.pem", follow=False)
    assert str(current.readlink()).startswith(f"{PKI}/kubelet-server-20")
    await node.restart()
    assert await node.leaf() == leaf
    assert not node.kubelet.waits_for


async def _asks_after_its_pause(cluster: Plane, node: Node, last: str) -> str:
    """The next request. Time passes only while the kubelet sleeps, however long its work takes on this machine."""

    def pauses() -> bool:
        # All else here sleeps longer: the Lease's and the Node's rounds, and the wait for a certificate.
        waking = cluster.clock.next_waking
        return waking is not None and waking - cluster.clock.now() < timedelta(minutes=1)

    def asks() -> bool:
        return node.kubelet.waits_for not in ("", last)

    while not asks():
        await until(lambda: asks() or pauses())
        if not asks() and (waking := cluster.clock.next_waking) is not None:
            await cluster.clock.wind(waking - cluster.clock.now())
    return node.kubelet.waits_for


async def test_a_denied_request_is_followed_by_another_two_four_eight_seconds_later(
    cluster: Plane, node: Node
) -> None:
    node.configure(bootstraps=True)
    await node.kubelet.start()
    began = cluster.clock.now()
    name, offsets = "", []
    for _ in range(7):
        name = await _asks_after_its_pause(cluster, node, name)
        offsets.append((cluster.clock.now() - began).total_seconds())
        await approve(cluster, name, "Denied")
        await until(partial(_is_over, node, name))
    # Seen of a real kubelet: 0, 2, 6, 14, 31, 63, 95; each pause up to a tenth longer.
    for offset, seen in zip(offsets, (0, 2, 6, 14, 31, 63, 95), strict=True):
        assert seen - 1 <= offset <= seen * 1.1, offsets
    assert any("certificate signing request is denied, reason: Test" in line for line in node.said)
    assert any("Reached backoff limit" in line for line in node.said)


async def test_a_request_that_nobody_decides_is_given_up_after_fifteen_minutes(
    cluster: Plane, node: Node
) -> None:
    node.configure(bootstraps=True)
    await node.kubelet.start()
    first = await node.asks()
    await node.passes(timedelta(minutes=14), timedelta(minutes=2))
    assert node.kubelet.waits_for == first
    await node.passes(timedelta(minutes=2), timedelta(seconds=10))
    second = await node.asks(but_not=first)
    assert {first, second} == {each["metadata"]["name"] for each in cluster.store.list(CSRS)}


async def test_with_nobody_who_approves_it_goes_dark_at_the_end_of_its_certificate(
    cluster: Plane, node: Node
) -> None:
    """A certificate for a day: nine tenths of it pass, then the last hours."""
    clock = cluster.clock
    pair = cluster.authority.serving(
        "127.0.0.1",
        "k8s-worker-1.internal.example.com",
        node="k8s-worker-1.internal.example.com",
        not_before=clock.now(),
        not_after=clock.now() + DAY,
    )
    rotated(node.files, "server", pair)
    node.configure(bootstraps=True)
    await node.kubelet.start()
    await node.passes(0.69 * DAY, HOUR)
    assert not node.kubelet.waits_for
    await node.passes(0.22 * DAY, HOUR)
    assert cluster.store.list(CSRS)
    assert await node.leaf() is not None
    await node.passes(0.1 * DAY, HOUR)
    assert await node.leaf() is None


async def test_another_address_makes_it_ask_at_once(cluster: Plane, node: Node) -> None:
    node.configure(bootstraps=True)
    await node.kubelet.start()
    await approve(cluster, await node.asks())
    await until(lambda: not node.kubelet.waits_for)
    other = ("/usr/bin/kubelet", "--kubeconfig=/etc/kubernetes/kubelet.conf", f"--config={CONFIG}")
    await node.kubelet.stop()
    await node.kubelet.start((*other, "--node-ip=10.1.2.3"))
    asked = cluster.admin.get(CSRS, await node.asks())
    assert asked["spec"]["username"] == "system:node:k8s-worker-1.internal.example.com"
    held = cluster.admin.get(NODES, node.kubelet.name)["status"]["addresses"]
    assert {"type": "InternalIP", "address": "10.1.2.3"} in held


async def test_a_machine_that_joins_gets_its_client_certificate_with_its_token(
    cluster: Plane, tmp_path: Path
) -> None:
    node = node_of(cluster, tmp_path, "k8s-worker-9.internal.example.com")
    for path in (f"{PKI}/kubelet-client-current.pem", "/etc/kubernetes/kubelet.conf"):
        node.files.remove(path)
    with pytest.raises(StartFailure, match="unable to load bootstrap kubeconfig: stat "):
        await node.kubelet.start()
    assert "command failed" in node.said[-1]
    expires = cluster.clock.now() + DAY
    token = bootstrap_token(expiration=f"{expires:%Y-%m-%dT%H:%M:%SZ}")
    cluster.admin.create(SECRETS, token)
    config = cluster.config("joiner", {"token": "abcdef.0123456789abcdef"})
    data = (cluster.folder / config).read_bytes()
    node.files.write("/etc/kubernetes/bootstrap-kubelet.conf", data)
    await node.kubelet.start()
    try:
        await until(lambda: node.files.exists(f"{PKI}/kubelet-client-current.pem"))
        await node.passes(timedelta(seconds=2), timedelta(seconds=1))
        await until(lambda: cluster.store.find(NODES, node.kubelet.name) is not None)
    finally:
        await node.kubelet.stop()
    leaf = x509.load_pem_x509_certificate(node.files.read(f"{PKI}/kubelet-client-current.pem"))
    assert name_of(leaf) == "system:node:k8s-worker-9.internal.example.com"
    assert b"kubelet-client-current.pem" in node.files.read("/etc/kubernetes/kubelet.conf")


async def test_five_minutes_after_its_client_certificate_has_ended_it_exits_and_cannot_start(
    cluster: Plane, node: Node
) -> None:
    """Nobody approves its renewal."""
    binding = "kubeadm:node-autoapprove-certificate-rotation"
    await cluster.does("delete", "clusterrolebinding", binding)
    now = cluster.clock.now()
    pair = cluster.authority.serving(
        "client.invalid", node=node.kubelet.name, not_before=now, not_after=now + HOUR
    )
    rotated(node.files, "client", pair)
    ends: list[bool] = []
    node.kubelet.exited = lambda: ends.append(node.kubelet.running)
    await node.kubelet.start()
    await node.passes(timedelta(minutes=64), timedelta(minutes=4))
    assert node.kubelet.running
    await node.passes(timedelta(minutes=4), timedelta(minutes=1))
    await until(lambda: ends)
    assert ends == [False]
    text = "No valid client certificate is found and the server is responsive, exiting."
    assert any(text in line for line in node.said)
    with pytest.raises(StartFailure, match="unable to load bootstrap kubeconfig"):
        await node.kubelet.start()


async def test_an_expired_pair_of_its_own_is_served_and_kept(cluster: Plane, node: Node) -> None:
    await node.kubelet.start()
    old = await node.leaf()
    await node.passes(400 * DAY, 100 * DAY)
    await node.restart()
    assert await node.leaf() == old


async def test_files_put_in_the_place_of_its_own_pair_are_served_without_a_restart(
    cluster: Plane, node: Node
) -> None:
    await node.kubelet.start()
    pair = cluster.authority.serving("k8s-worker-1.internal.example.com")
    node.files.write(f"{PKI}/kubelet.crt", pair.chain)
    assert name_of(await node.leaf()).startswith("k8s-worker-1")  # half of a pair is none
    node.files.write(f"{PKI}/kubelet.key", pair.key, 0o600)
    assert await node.leaf() == x509.load_pem_x509_certificate(pair.chain)


@pytest.mark.parametrize(
    ("break_it", "why"),
    [
        (lambda n: n.files.write(CONFIG, b"a: [b\n"), "failed to load kubelet config file"),
        (lambda n: n.files.remove(CONFIG), "no such file or directory"),
        (lambda n: n.files.write(f"{PKI}/kubelet.crt", b"x"), "must be supplied as a pair"),
    ],
)
async def test_what_a_kubelet_cannot_start_with(
    cluster: Plane, node: Node, break_it: Callable[[Node], None], why: str
) -> None:
    break_it(node)
    with pytest.raises(StartFailure, match=why):
        await node.kubelet.start()
    assert not node.kubelet.running
    assert why in node.said[-1]


# A kubelet registers its Node at its start, and never again while it runs (kubelet_node_status.go, registrationCompleted).


async def test_it_comes_back_with_the_next_start_of_its_kubelet_only(
    cluster: Plane, tmp_path: Path
) -> None:
    node = node_of(cluster, tmp_path, rhythm=ReportIntervals())
    await node.kubelet.start()
    name = node.kubelet.name
    await until(lambda: cluster.admin.find(LEASES, name, "kube-node-lease"))  # then it knows that
    cluster.admin.delete(NODES, name)
    said = len(node.said)
    await node.passes(timedelta(seconds=60), timedelta(seconds=5))
    await until(lambda: any("not found" in line for line in node.said[said:]))
    assert cluster.admin.find(NODES, name) is None
    await node.kubelet.stop()
    await node.kubelet.start()
    await until(lambda: cluster.admin.find(NODES, name))
    await node.kubelet.stop()
