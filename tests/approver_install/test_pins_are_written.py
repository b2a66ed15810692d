"""`approver pin` against the lab's API server: what is stored is what the policy reads again."""

import json
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from kubevouch.policy.sources.nodes import PINS, PinnedNode, read_pins, written_pin
from kubevouch.policy.sources.stored import shard_of
from kubevouch_lab.apiserver.kinds import CONFIG_MAPS, CSRS, NAMESPACES, NODES
from kubevouch_lab.apiserver.request import RequestInfo
from lab.tests.apiserver.bench import Bench
from tests.approve.test_a_clock_that_is_wrong import WrongClock
from tests.approver_install.conftest import another_bench, node
from tests.approver_install.installation import PIN, SPACE
from tests.cli.program import Program
from tests.support.authority import Authority
from tests.support.requests import request

pytestmark = pytest.mark.usefixtures("namespace")


def stored(lab: Bench) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for each in lab.local.list(CONFIG_MAPS, SPACE, labels="kubevouch.dev/holds=pins"):
        shard = read_pins(each["metadata"]["name"], each.get("data", {}))
        assert not shard.problems
        found |= shard.entries
    return found


async def test_every_node_is_pinned_and_the_policy_reads_it(lab: Bench, kubevouch: Program) -> None:
    dry = await kubevouch(*PIN, "--dry-run", code=0)
    assert "This would pin 3 nodes as shown in the table" in dry.err
    assert stored(lab) == {}
    ran = await kubevouch(*PIN)
    assert (ran.code, ran.out.splitlines()[-1]) == (0, "3 nodes pinned."), ran
    assert "NODE       STATE   NAMES      ADDRESSES\n" in ran.out
    assert "UNDO  kubevouch approver pin --restore " in ran.out
    found = stored(lab)
    assert set(found) == {"cp-1", "worker-1", "worker-2"}
    pin = found["worker-1"]
    assert isinstance(pin, PinnedNode)
    assert (pin.names, pin.addresses) == (("worker-1",), ("192.168.88.112",))
    assert pin.uid == lab.local.get(NODES, "worker-1")["metadata"]["uid"]
    assert pin.machine_id == "machine-of-worker-1"
    again = await kubevouch(*PIN)
    assert again.out.splitlines()[-1] == "Nothing to do: every pin is up to date."


async def test_a_pin_is_dated_by_the_clock_that_dates_csrs(
    lab: Bench, kubevouch: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before Kubernetes 1.32 what was borrowed after a pin is told from what was borrowed before it by nothing else."""
    wrong = WrongClock(timedelta(hours=5))
    monkeypatch.setattr("kubevouch.cli.common.connect.SystemClock", lambda: wrong)
    await kubevouch(*PIN, "worker-1", code=0)
    pinned_at = stored(lab)["worker-1"].pinned_at
    assert abs(pinned_at - datetime.now(UTC)) < timedelta(hours=1)


async def test_a_difference_is_an_exit_code_and_no_write(lab: Bench, kubevouch: Program) -> None:
    await kubevouch(*PIN)
    assert (await kubevouch("approver", "pin", "--diff")).code == 0
    before = stored(lab)
    lab.local.delete(NODES, "worker-1")
    lab.local.create(NODES, node("worker-1", "192.168.88.99"))
    lab.local.delete(NODES, "worker-2")
    ran = await kubevouch("approver", "pin", "--diff", code=1)
    for text in ("recreated", "+ 192.168.88.99", "- 192.168.88.112", "this Node no longer exists"):
        assert text in " ".join(ran.out.split())
    assert ran.out.endswith("NEXT  kubevouch approver pin worker-1\n")
    assert stored(lab) == before
    as_json = await kubevouch("approver", "pin", "--diff", "-o", "json")
    found = json.loads(as_json.out)
    assert (as_json.code, found["schemaVersion"], found["gone"]) == (
        1,
        "kubevouch.pins/1",
        ["worker-2"],
    )


async def test_pins_are_removed_also_of_nodes_that_are_gone(lab: Bench, kubevouch: Program) -> None:
    await kubevouch(*PIN)
    for pinned in (True, False):
        ran = await kubevouch(*PIN, "worker-1", "--remove", code=0)
        assert ("Nothing to do for worker-1: not pinned." in ran.out) is not pinned
    lab.local.delete(NODES, "worker-2")
    ran = await kubevouch(*PIN, "worker-1", "worker-2", "--remove", code=0)
    assert "Removed the pins of worker-2." in ran.out
    assert set(stored(lab)) == {"cp-1"}
    await kubevouch(*PIN, "worker-2", "--remove", code=2)


async def test_the_result_of_pin_in_json_is_json_alone(lab: Bench, kubevouch: Program) -> None:
    in_json = (*PIN, "-o", "json")
    for words, key, prose in (
        ((), "nodes", "3 nodes pinned."),
        ((), "nodes", "Nothing to do"),
        (
            ("worker-1", "worker-2", "--remove"),
            "removed",
            "Removed the pins of worker-1, worker-2.",
        ),
        (("worker-1", "--remove"), "removed", "Nothing to do for worker-1"),
    ):
        ran = await kubevouch(*in_json, *words, code=0)
        assert key in json.loads(ran.out), ran
        assert prose in ran.err, ran


async def test_a_pin_without_labels_is_shown_as_it_counts(lab: Bench, kubevouch: Program) -> None:
    """Somebody has put it back by hand: it was called not pinned, and its address free for another node."""
    theirs = written_pin(PinnedNode("worker-1", "", ("worker-1",), ("192.168.88.113",)))
    found = {"metadata": {"name": shard_of(PINS, "worker-1")}, "data": {"worker-1": theirs}}
    lab.local.create(CONFIG_MAPS, found, SPACE)
    ran = await kubevouch("approver", "pin", "--diff", code=1)
    said = " ".join(ran.out.split())
    assert "worker-1 - 192.168.88.113: pinned, but the Node does not claim it" in said
    alone = await kubevouch("approver", "pin", "worker-2", "--yes")
    assert "the pin of worker-1 has it" in " ".join(alone.out.split())


def csr(lab: Bench, name: str, made_with: str = "", *, chain: bytes = b"") -> None:
    """A serving CSR of worker-1; with `chain`, one by which a bootstrap token got that client certificate."""
    signer = "kube-apiserver-client-kubelet" if chain else "kubelet-serving"
    spec = {
        "request": b64encode(request("worker-1", ["worker-1"])).decode(),
        "signerName": f"kubernetes.io/{signer}",
        "usages": ["digital signature", "server auth"],
        "username": "system:bootstrap:abcdef" if chain else "system:node:worker-1",
        "groups": ["system:nodes"],
        "extra": {"authentication.kubernetes.io/credential-id": [f"X509SHA256={made_with}"]},
    }
    kind = {"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest"}
    named = {"name": name, "uid": name, "creationTimestamp": "2026-11-24T12:00:00Z"}
    status = {"certificate": b64encode(chain).decode()} if chain else {}
    lab.store.create(CSRS, {**kind, "metadata": named, "spec": spec, "status": status})


async def test_a_client_certificate_is_taken_from_the_csr_that_it_made(
    lab: Bench, kubevouch: Program
) -> None:
    digest = "ab" * 32
    csr(lab, "csr-1", digest.upper())
    ran = await kubevouch(*PIN, "worker-1", "--csr", "csr-1", code=0)
    assert stored(lab)["worker-1"].client_certificates == (digest,)
    assert f"+ client certificate X509SHA256={digest}" in " ".join(ran.out.split())
    ran = await kubevouch(*PIN, "worker-1", "--csr", "nosuch")
    assert (ran.code, "no such CSR" in ran.err) == (2, True), ran
    ran = await kubevouch(*PIN, "worker-2", "--csr", "csr-1", code=2)
    assert "expected a CSR of worker-2" in ran.err


async def test_whose_client_certificate_it_is_stands_before_the_question(
    lab: Bench, kubevouch: Program, authority: Authority
) -> None:
    chain = authority.client("system:node:worker-1", "system:nodes").chain
    digest = x509.load_pem_x509_certificate(chain).fingerprint(hashes.SHA256()).hex()
    csr(lab, "csr-client", chain=chain)
    csr(lab, "csr-serving", digest)
    ran = await kubevouch(*PIN, "worker-1", "--csr", "csr-serving", code=0)
    text = " ".join(ran.out.split())
    assert f"X509SHA256={digest}" in text
    made = "created at 2026-11-24 12:00:00 UTC by system:bootstrap:abcdef"
    assert f"issued for the CSR csr-client, {made}" in text


async def test_a_pin_needs_no_right_to_list_csrs(authority: Authority, kubevouch: Program) -> None:
    def no_list(info: RequestInfo) -> tuple[bool, str]:
        return (info.verb, info.resource) != ("list", "certificatesigningrequests"), ""

    async with another_bench(kubevouch, authority, no_list) as lab:
        lab.local.create(NAMESPACES, {"metadata": {"name": SPACE}})
        csr(lab, "csr-1", "ab" * 32)
        ran = await kubevouch(*PIN, "worker-1", "--csr", "csr-1", code=0)
        assert "requestor and time of issue are unknown" in " ".join(ran.out.split())


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("worker-11",), "did you mean worker-1?"),
        (("worker-11", "--remove"), "worker-11: is not pinned; did you mean worker-1?"),
        (("--dry-run",), "does not exist; `kubevouch approver install"),
    ],
)
async def test_what_cannot_be_pinned_is_an_error_that_says_what_would_be_right(
    lab: Bench, kubevouch: Program, words: tuple[str, ...], told: str
) -> None:
    if "worker-11" in words:
        await kubevouch(*PIN)
    else:
        lab.store.delete(NAMESPACES, SPACE)
    before = stored(lab)
    ran = await kubevouch(*PIN, *words)
    assert (ran.code, told in ran.err) == (2, True), ran
    assert stored(lab) == before


async def test_a_value_that_is_refused_is_a_finding(lab: Bench, kubevouch: Program) -> None:
    for more in (["--dry-run"], [], []):
        ran = await kubevouch(*PIN, "worker-1", "--allow", "worker-1=10.96.0.1", *more)
        assert (ran.code, "Nothing to do" in ran.out) == (1, False), ran
        assert "worker-1: 10.96.0.1 is not pinned, although --allow lists it" in ran.err
    assert stored(lab)["worker-1"].addresses == ("192.168.88.112",)


async def test_what_the_approvers_configuration_calls_the_clusters_own_is_not_pinned(
    lab: Bench, kubevouch: Program
) -> None:
    """The approver would hold it: a pin gives no node what is the cluster's own."""
    said = "schemaVersion: kubevouch.approver/1\nserviceCIDRs: [192.168.88.112/31]\nclusterDomain: corp"
    metadata = {"name": "kubevouch-approver", "labels": {"app.kubernetes.io/part-of": "kubevouch"}}
    configuration = {"metadata": metadata, "data": {"configuration.yaml": said}}
    lab.local.create(CONFIG_MAPS, configuration, SPACE)
    ran = await kubevouch(*PIN, "worker-1", "--allow", "worker-1=worker-1.corp", code=1)
    assert "worker-1.corp is not pinned" in ran.err
    assert "reserved-addresses" in ran.out
    pin = stored(lab)["worker-1"]
    assert (pin.names, pin.addresses) == (("worker-1",), ())
