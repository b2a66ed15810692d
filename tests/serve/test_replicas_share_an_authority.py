"""The authority in the Secret: made once, told to the API server before it signs, followed by another in time, never dark."""

import asyncio
import contextlib
import random
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature

from kubevouch.errors import KubevouchError
from kubevouch.serve.logs import Log
from kubevouch.serve.shared_authority import AuthorityPlace, SharedAuthority
from kubevouch.tls.io.context import KeyPair
from kubevouch.tls.io.server import server_context
from kubevouch_lab.apiserver.kinds import API_SERVICES, KINDS
from tests.support.apiservers import MOMENT, access_to, client_of
from tests.support.authority import Authority
from tests.support.clocks import WoundClock
from tests.support.contexts import server_context as openssl_context
from tests.support.scripted import faults
from tests.support.scripted.apiserver import ScriptedApiServer
from tests.support.self_signed import CA, by_hand
from tests.support.tasks import meanwhile
from tests.support.unhurried import until

SECRETS = KINDS["", "v1", "secrets"]
SPACE, SECRET = "kube-system", "usage-authority"
NAMES = ("v1beta1.metrics.k8s.io", "v1.metrics.k8s.io")
NAME = NAMES[0]
PATH = f"/api/v1/namespaces/{SPACE}/secrets/{SECRET}"
API_PATHS = [f"/apis/apiregistration.k8s.io/v1/apiservices/{each}" for each in NAMES]
API_PATH, V1_PATH = API_PATHS
PLACE = AuthorityPlace(SPACE, SECRET, NAMES, ("usage.kube-system", "usage.kube-system.svc"))
SERVICE = {"name": "usage", "namespace": SPACE, "port": 443}


@dataclass
class Cluster:
    server: ScriptedApiServer
    clock: WoundClock
    replicas: tuple[SharedAuthority, ...]
    lines: list[str]

    @property
    def secret(self) -> dict[str, bytes]:
        data = self.server.store.get(SECRETS, SECRET, SPACE).get("data") or {}
        return {name: b64decode(content) for name, content in data.items()}

    @property
    def spec(self) -> dict[str, Any]:
        return self.spec_of(NAME)

    def spec_of(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.server.store.get(API_SERVICES, name)["spec"]
        return found

    @property
    def bundle(self) -> list[x509.Certificate]:
        return x509.load_pem_x509_certificates(b64decode(self.spec["caBundle"]))

    def write(self, spec: dict[str, Any], name: str = NAME) -> None:
        """Somebody writes the APIService's spec anew."""
        self.server.store.change(API_SERVICES, ("", name), lambda thing: {**thing, "spec": spec})

    def fill(self, data: dict[str, bytes] | None) -> None:
        """Somebody writes the Secret's data anew."""
        encoded = {name: b64encode(each).decode() for name, each in (data or {}).items()}
        self.server.store.change(
            SECRETS, (SPACE, SECRET), lambda thing: {**thing, "data": encoded or None}
        )

    def written(self, path: str) -> int:
        return sum((each.method, each.path) == ("PATCH", path) for each in self.server.requests)


@pytest.fixture
async def cluster(api_authority: Authority) -> AsyncIterator[Cluster]:
    """The chart's empty Secret, an APIService without a caBundle for each version, and two replicas."""
    clock, lines = WoundClock(MOMENT), list[str]()
    context = openssl_context(api_authority.serving("127.0.0.1"))
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(ScriptedApiServer(context, clock))
        server.store.create(SECRETS, {"metadata": {"name": SECRET}, "type": "Opaque"}, SPACE)
        for name in NAMES:
            server.store.create(
                API_SERVICES, {"metadata": {"name": name}, "spec": {"service": SERVICE}}
            )
        replicas = []
        for number in range(2):
            access = access_to(server, api_authority)
            api = await stack.enter_async_context(client_of(access, clock))
            numbers = random.Random(number)
            replicas.append(
                SharedAuthority(
                    PLACE,
                    api,
                    Log(lines.append, clock),
                    random_serial=numbers.getrandbits,
                    rng=numbers.random,
                )
            )
        yield Cluster(server, clock, tuple(replicas), lines)


def issuer_of(pair: KeyPair, among: list[x509.Certificate]) -> int:
    """Which of these has signed its leaf; the API server verifies it by that one."""
    leaf = x509.load_pem_x509_certificate(pair.chain)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert tuple(names.get_values_for_type(x509.DNSName)) == PLACE.names
    server_context(pair, where="the leaf")
    for number, each in enumerate(among):
        with contextlib.suppress(InvalidSignature, ValueError):
            leaf.verify_directly_issued_by(each)
            return number
    raise AssertionError("none of the bundle has signed it")


async def test_of_replicas_that_start_at_once_one_makes_the_authority_and_all_sign_by_it(
    cluster: Cluster,
) -> None:
    await asyncio.gather(*(each.refresh() for each in cluster.replicas))
    assert cluster.written(PATH) == 2, "both tried"
    assert set(cluster.secret) == {"ca.crt", "ca.key"}
    [authority] = cluster.bundle
    assert authority == x509.load_pem_x509_certificate(cluster.secret["ca.crt"])
    basic = authority.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (basic.critical, basic.value.ca) == (True, True)
    assert authority.not_valid_after_utc == MOMENT + timedelta(days=3650)
    pairs = [each.read() for each in cluster.replicas]
    assert [issuer_of(each, cluster.bundle) for each in pairs] == [0, 0]
    assert pairs[0].key != pairs[1].key, "no serving key is shared"
    before = cluster.written(PATH), cluster.written(API_PATH)
    await asyncio.gather(*(each.refresh() for each in cluster.replicas))
    assert (cluster.written(PATH), cluster.written(API_PATH)) == before


async def test_the_next_leaf_comes_at_half_of_the_life_of_one(cluster: Cluster) -> None:
    replica = cluster.replicas[0]
    await replica.refresh()
    first = replica.read()
    leaf = x509.load_pem_x509_certificate(first.chain)
    assert leaf.not_valid_after_utc == MOMENT + timedelta(days=30)
    cluster.clock.wind(timedelta(days=15, seconds=-2))
    assert replica.read() is first
    cluster.clock.wind(timedelta(seconds=2))
    second = replica.read()
    assert second.key != first.key
    assert replica.read() is second
    assert issuer_of(second, cluster.bundle) == 0


OTHER = Authority("another")


def told(pem: bytes) -> dict[str, Any]:
    return {"service": SERVICE, "caBundle": b64encode(pem).decode()}


@pytest.mark.parametrize(
    ("spec", "after"),
    [
        ({"service": SERVICE}, 1),
        (told(OTHER.pem), 2),
        (told(b"\0junk"), 1),
        (told(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), 1),
        (told(b"".join(Authority(str(n)).pem for n in range(9))), 4),
        ({"service": SERVICE, "insecureSkipTLSVerify": True}, None),
        ({"service": {**SERVICE, "name": "metrics-server"}}, None),
        ({}, None),
    ],
    ids=[
        "no bundle",
        "another authority",
        "junk",
        "a broken block",
        "more than are kept",
        "an operator's insecureSkipTLSVerify",
        "it leads to another server",
        "the API server's own",
    ],
)
async def test_the_authority_comes_first_in_what_the_api_server_verifies_this_server_by(
    cluster: Cluster, spec: dict[str, Any], after: int | None
) -> None:
    cluster.write(spec)
    replica = cluster.replicas[0]
    await replica.refresh()
    if after is None:
        assert cluster.spec == spec
    else:
        assert len(cluster.bundle) == after
        assert issuer_of(replica.read(), cluster.bundle) == 0
    await replica.refresh()
    assert cluster.written(API_PATH) == (after is not None)


@pytest.mark.parametrize(
    "change",
    [
        lambda cluster: cluster.fill(None),
        lambda cluster: cluster.clock.wind(timedelta(days=8 * 365 + 3)),
        lambda cluster: cluster.fill({"ca.crt": OTHER.pem, "ca.key": OTHER.key}),
    ],
    ids=["the Secret is emptied", "four fifths of its life", "an operator's own"],
)
async def test_a_new_authority_signs_once_every_api_server_knows_it(
    cluster: Cluster, change: Callable[[Cluster], None]
) -> None:
    """At each step, whatever one replica serves verifies by the bundle that there is."""
    one, two = cluster.replicas
    await one.refresh()
    await two.refresh()
    [former] = cluster.bundle
    change(cluster)
    await one.refresh()
    assert cluster.bundle[1:] == [former]
    assert [issuer_of(each.read(), cluster.bundle) for each in (one, two)] == [1, 1]
    await one.refresh()
    assert [issuer_of(each.read(), cluster.bundle) for each in (one, two)] == [0, 1]
    await two.refresh()
    await two.refresh()
    assert [issuer_of(each.read(), cluster.bundle) for each in (one, two)] == [0, 0]
    assert len(cluster.bundle) == 2


async def test_an_authority_that_has_expired_leaves_the_bundle(cluster: Cluster) -> None:
    one = cluster.replicas[0]
    await one.refresh()
    cluster.clock.wind(timedelta(days=3651))
    await one.refresh()
    [left] = cluster.bundle
    assert left == x509.load_pem_x509_certificate(cluster.secret["ca.crt"])
    await one.refresh()
    assert issuer_of(one.read(), [left]) == 0


@pytest.mark.parametrize("name", NAMES)
async def test_what_is_taken_out_of_an_api_service_is_put_back(cluster: Cluster, name: str) -> None:
    one = cluster.replicas[0]
    await one.refresh()
    whole = cluster.spec_of(name)
    assert "caBundle" in whole
    async with meanwhile(one.run()):
        await until(lambda: cluster.server.watches.open == len(NAMES))
        cluster.write({"service": SERVICE}, name)
        await until(lambda: cluster.spec_of(name) == whole)
        cluster.write(told(OTHER.pem), name)
        await until(lambda: cluster.spec_of(name) != told(OTHER.pem))
        bundle = b64decode(cluster.spec_of(name)["caBundle"])
        assert bundle == b64decode(whole["caBundle"]) + OTHER.pem


@pytest.mark.parametrize("name", NAMES)
async def test_an_api_service_that_is_missing_or_leads_elsewhere_leaves_the_other(
    cluster: Cluster, name: str
) -> None:
    elsewhere = {"service": {**SERVICE, "name": "metrics-server"}}
    cluster.write(elsewhere, name)
    [other] = set(NAMES) - {name}
    await cluster.replicas[0].refresh()
    assert cluster.spec_of(name) == elsewhere
    assert "caBundle" in cluster.spec_of(other)
    cluster.server.store.delete(API_SERVICES, name)
    await cluster.replicas[1].refresh()


@pytest.mark.parametrize(("failing", "other"), [NAMES, NAMES[::-1]])
async def test_trouble_with_one_api_service_keeps_the_other_told_and_is_raised(
    cluster: Cluster, failing: str, other: str
) -> None:
    """What signs knows both: with one left untold, the former authority goes on."""
    one, faulty = cluster.replicas[0], API_PATHS[NAMES.index(failing)]
    cluster.server.faults.on(faulty, faults.answer(500))
    with pytest.raises(KubevouchError, match=failing):
        await one.refresh()
    assert "caBundle" in cluster.spec_of(other)
    cluster.server.faults.clear()
    await one.refresh()
    served = one.read()
    cluster.fill({"ca.crt": OTHER.pem, "ca.key": OTHER.key})
    cluster.server.faults.on(faulty, faults.answer(403))
    for _ in range(2):
        with pytest.raises(KubevouchError, match="cannot get apiservices"):
            await one.refresh()
    assert OTHER.pem in b64decode(cluster.spec_of(other)["caBundle"])
    assert one.read() is served


async def test_without_a_right_to_v1_it_starts_warns_once_and_goes_on(cluster: Cluster) -> None:
    """As with rights from before v1 was served. v1beta1's next authority does not wait for v1, nor v1 for another process."""
    one = cluster.replicas[0]
    cluster.server.faults.on(V1_PATH, faults.answer(403))
    await one.refresh()
    assert issuer_of(one.read(), cluster.bundle) == 0
    cluster.fill({"ca.crt": OTHER.pem, "ca.key": OTHER.key})
    for _ in range(2):
        await one.refresh()
    assert issuer_of(one.read(), cluster.bundle) == 0
    [line] = [each for each in cluster.lines if each.startswith("W")]
    assert NAMES[1] in line
    cluster.server.faults.clear()
    await one.refresh()
    assert b64decode(cluster.spec_of(NAMES[1])["caBundle"]) == OTHER.pem
    cluster.server.faults.on(V1_PATH, faults.answer(403))
    with pytest.raises(KubevouchError, match="cannot get apiservices"):
        await one.refresh()


async def test_a_watch_that_fails_says_of_which_api_service(cluster: Cluster) -> None:
    one = cluster.replicas[0]
    await one.refresh()
    cluster.server.faults.on(
        API_PATH.rpartition("/")[0],
        faults.answer(403),
        where=lambda seen: NAMES[1] in str(seen.query),
    )
    async with meanwhile(one.run()):
        await until(lambda: any("Failed to watch" in each for each in cluster.lines))
    [line, *_] = [each for each in cluster.lines if "Failed to watch" in each]
    assert f'name="{NAMES[1]}"' in line


def filled(
    *wrong: x509.ExtensionType, starts: timedelta = -timedelta(days=1)
) -> Callable[[Cluster], None]:
    """Somebody writes an authority of his own into the Secret."""
    made = by_hand("usage-ca", (MOMENT + starts, MOMENT + timedelta(days=400)), CA, *wrong)
    return lambda cluster: cluster.fill({"ca.crt": made.chain, "ca.key": made.key})


SIGNS_NO_CERTIFICATE = x509.KeyUsage(True, *[False] * 8)
OTHER_NAMES = x509.NameConstraints([x509.DNSName("example.com")], None)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda cluster: cluster.server.store.delete(SECRETS, SECRET, SPACE), "does not exist"),
        (lambda cluster: cluster.fill({"ca.crt": b"junk", "ca.key": OTHER.key}), "no PEM block"),
        (lambda cluster: cluster.fill({"ca.key": OTHER.key}), f"Secret {SPACE}/{SECRET}"),
        (
            lambda cluster: cluster.fill({"ca.crt": OTHER.pem, "ca.key": Authority("third").key}),
            "does not belong to the CA",
        ),
        (filled(starts=timedelta(hours=1)), "is before"),
        (filled(SIGNS_NO_CERTIFICATE), "cannot sign this kind of certificate"),
        (filled(OTHER_NAMES), "not permitted by any constraint"),
        (lambda cluster: cluster.server.faults.on(PATH, faults.answer(403)), "cannot get secrets"),
        (
            lambda cluster: cluster.server.faults.on(API_PATH, faults.answer(403)),
            "cannot get apiservices",
        ),
    ],
    ids=[
        "no Secret",
        "junk",
        "half",
        "another one's key",
        "not valid yet",
        "may not sign",
        "for other names",
        "no right to the Secret",
        "no right to the APIService",
    ],
)
async def test_what_cannot_be_used_is_told_kept_as_it_is_and_keeps_what_is_served(
    cluster: Cluster, spoil: Callable[[Cluster], None], said: str
) -> None:
    one, two = cluster.replicas
    await one.refresh()
    served, told = one.read(), cluster.spec
    spoil(cluster)
    kept = cluster.server.store.kept.find(SECRETS, SECRET, SPACE)
    for replica in (one, two):
        with pytest.raises(KubevouchError, match=said):
            await replica.refresh()
    assert one.read() is served
    assert cluster.server.store.kept.find(SECRETS, SECRET, SPACE) == kept
    assert cluster.spec == told
    cluster.clock.wind(timedelta(days=15))
    assert one.read() is not served
    assert issuer_of(one.read(), cluster.bundle) == 0


async def test_no_text_shows_the_key(cluster: Cluster) -> None:
    await cluster.replicas[0].refresh()
    text = "".join(cluster.lines)
    assert "Created a CA" in text
    assert "PRIVATE" not in text
