"""Dates of what is issued, and what happens when nothing can be issued."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from kubevouch.x509 import read_certificates
from kubevouch_lab.apiserver.kinds import CLUSTER_ROLE_BINDINGS, CSRS
from kubevouch_lab.apiserver.request import AUTHENTICATED, UserInfo
from kubevouch_lab.pki import authority as kubeadm_ca
from kubevouch_lab.signer.issuing import CannotSign, duration, signing_ca, validity
from lab.tests.plane import Plane, until
from lab.tests.signer.test_a_request_from_create_to_certificate import approve, client, serving

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
(CA,) = read_certificates(
    kubeadm_ca(
        "kubernetes", NOW - timedelta(days=3000), 1, ec.generate_private_key(ec.SECP256R1())
    ).chain,
    "ca",
)


@pytest.mark.parametrize(
    ("asked", "granted"),
    [
        (None, timedelta(days=365)),
        (86_400, timedelta(days=1)),
        (600, timedelta(minutes=10)),
        (60, timedelta(minutes=10)),
        (10**9, timedelta(days=365)),
    ],
)
def test_what_is_asked_for_is_granted_within_bounds(asked: int | None, granted: timedelta) -> None:
    assert duration(asked) == granted


@pytest.mark.parametrize(
    ("life", "ends"),
    [
        (timedelta(days=365), timedelta(days=365, minutes=-5)),
        (timedelta(hours=8), timedelta(hours=7, minutes=55)),
        (timedelta(hours=7, minutes=59), timedelta(hours=7, minutes=59)),
        (timedelta(minutes=10), timedelta(minutes=10)),
    ],
)
def test_it_is_backdated_by_five_minutes(life: timedelta, ends: timedelta) -> None:
    assert validity(NOW, life, CA) == (NOW - timedelta(minutes=5), NOW + ends)


def test_it_ends_with_its_ca() -> None:
    late = CA.not_after - timedelta(days=3)
    assert validity(late, timedelta(days=365), CA) == (late - timedelta(minutes=5), CA.not_after)
    with pytest.raises(CannotSign, match="refusing to sign a certificate that expired in the past"):
        validity(CA.not_after, timedelta(days=365), CA)
    with pytest.raises(CannotSign, match="the signer has expired: NotAfter="):
        validity(CA.not_after + timedelta(minutes=5), timedelta(days=365), CA)


async def test_without_a_good_ca_it_stays_approved_and_is_tried_again(running: Plane) -> None:
    node = UserInfo("system:node:n1", groups=("system:nodes", AUTHENTICATED))
    name = running.client(node).create(CSRS, serving())["metadata"]["name"]
    signers = running.signers()
    good = signers.ca
    pair = kubeadm_ca(
        "kubernetes", NOW - timedelta(days=4000), 1, ec.generate_private_key(ec.SECP256R1())
    )
    signers.ca = signing_ca(pair.chain, pair.key)
    task = asyncio.create_task(signers.run())
    approve(running, running.admin.get(CSRS, name))
    await running.clock.wind(timedelta(seconds=5))
    assert [each["type"] for each in running.store.get(CSRS, name)["status"]["conditions"]] == [
        "Approved"
    ]
    assert "certificate" not in running.store.get(CSRS, name)["status"]
    signers.ca = good
    await running.clock.wind(timedelta(seconds=11))
    await until(lambda: running.store.get(CSRS, name)["status"].get("certificate"))
    task.cancel()


async def test_nothing_is_signed_where_the_key_lies_elsewhere(running: Plane) -> None:
    signers = running.signers()
    signers.ca = None
    kept = approve(running, running.admin.create(CSRS, serving()))
    signers.act(kept)
    assert "certificate" not in running.store.get(CSRS, kept["metadata"]["name"])["status"]
    assert (await running.does("get", "csr", "--no-headers")).split()[-1] == "Approved"


async def test_a_permission_that_comes_late_is_seen(running: Plane) -> None:
    somebody = UserInfo("joiner", groups=("joiners", AUTHENTICATED))
    name = running.client(somebody).create(CSRS, client())["metadata"]["name"]
    task = asyncio.create_task(running.signers().run())
    await running.clock.wind(timedelta(seconds=30))
    assert running.store.get(CSRS, name)["status"] == {}
    role = "system:certificates.k8s.io:certificatesigningrequests:nodeclient"
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role}
    body = {
        "metadata": {"name": "late"},
        "roleRef": reference,
        "subjects": [{"kind": "Group", "name": "joiners"}],
    }
    running.admin.create(CLUSTER_ROLE_BINDINGS, body)
    await running.clock.wind(timedelta(seconds=11))
    await until(lambda: running.store.get(CSRS, name)["status"].get("certificate"))
    task.cancel()
