"""What lies on the disks of a lab's machines is what kubeadm and a year would have left there. Judged by openssl and ssh."""

import json
import os
import re
import subprocess
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from kubevouch_lab.cluster import seed
from kubevouch_lab.cluster.authorities import Authorities
from kubevouch_lab.cluster.folder import Busy, Folder, LabError, Record
from kubevouch_lab.cluster.history import ClusterHistory
from kubevouch_lab.cluster.kubeadm import kubeadm
from kubevouch_lab.cluster.make_folder import make
from kubevouch_lab.cluster.node_disk import NodePlan, configured, kubelet_configuration
from kubevouch_lab.cluster.site import IpFamily, Site
from kubevouch_lab.cluster.states import State, serving_files
from kubevouch_lab.nodes.files import NodeFiles
from kubevouch_lab.pki import KeyPair, authority, kubelet_client, made_earlier
from kubevouch_lab.rng import uids
from tests.support.clocks import SteppedClock

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
WORKER = "k8s-worker-1.internal.example.com"
PKI = "var/lib/kubelet/pki"
KUBERNETES = "etc/kubernetes"
FIXTURES = Path(__file__).parents[3] / "tests/fixtures/kubeadm-1.36"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    folder = Folder(tmp_path_factory.mktemp("lab"))
    make(folder, Record(23, 4, "expired", NOW, "an-identity"), State.EXPIRED, os.urandom)
    return folder


@pytest.fixture(scope="module")
def master(folder: Folder) -> Path:
    return folder.node("k8s-master.internal.example.com")


def openssl(*words: str | Path) -> str:
    done = subprocess.run(
        ["openssl", *map(str, words)], capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


def verify(ca: Path, leaf: Path, *words: str) -> str:
    return openssl("verify", "-attime", str(int(NOW.timestamp())), *words, "-CAfile", ca, leaf)


@pytest.mark.parametrize(
    ("ca", "leaf", "purpose"),
    [
        ("ca", "apiserver", "sslserver"),
        ("ca", "apiserver-kubelet-client", "sslclient"),
        ("front-proxy-ca", "front-proxy-client", "sslclient"),
        ("etcd/ca", "etcd/server", "sslserver"),
        ("etcd/ca", "apiserver-etcd-client", "sslclient"),
    ],
)
def test_the_control_planes_pairs_verify(master: Path, ca: str, leaf: str, purpose: str) -> None:
    pki = master / KUBERNETES / "pki"
    said = verify(pki / f"{ca}.crt", pki / f"{leaf}.crt", "-purpose", purpose)
    assert said.strip().endswith("OK"), said
    key = openssl("pkey", "-in", pki / f"{leaf}.key", "-pubout")
    assert key == openssl("x509", "-in", pki / f"{leaf}.crt", "-noout", "-pubkey")


def test_the_api_server_is_called_as_kubeadm_calls_it(master: Path) -> None:
    leaf = x509.load_pem_x509_certificate((master / KUBERNETES / "pki/apiserver.crt").read_bytes())
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [
        "k8s-master.internal.example.com",
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
    ]
    addresses = [str(a) for a in names.get_values_for_type(x509.IPAddress)]
    assert addresses == ["10.96.0.1", "127.23.88.111", "127.0.0.1"]


def test_a_kubelets_client_certificate_is_its_nodes(folder: Folder, master: Path) -> None:
    link = folder.node(WORKER) / PKI / "kubelet-client-current.pem"
    target = str(link.readlink())
    assert target.startswith("/var/lib/kubelet/pki/kubelet-client-2026-")
    file = folder.node(WORKER) / target.lstrip("/")
    assert (
        verify(master / KUBERNETES / "pki/ca.crt", file, "-purpose", "sslclient")
        .strip()
        .endswith("OK")
    )
    subject = x509.load_pem_x509_certificate(file.read_bytes()).subject
    assert subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == f"system:node:{WORKER}"
    assert subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value == "system:nodes"
    assert file.stat().st_mode & 0o777 == 0o600


def test_what_it_served_until_today_has_expired_and_names_no_address(folder: Folder) -> None:
    file = folder.node(WORKER) / PKI / "kubelet.crt"
    leaf, ca = x509.load_pem_x509_certificates(file.read_bytes())
    assert leaf.not_valid_after_utc < NOW
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc == timedelta(days=365)
    assert leaf.issuer == ca.subject == ca.issuer
    assert leaf.subject.rfc4514_string().startswith(f"CN={WORKER}@")
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert list(names) == [x509.DNSName(WORKER)]
    leaf.verify_directly_issued_by(ca)
    assert (file.with_name("kubelet.key").stat().st_mode & 0o777) == 0o600


def test_ssh_reads_the_configuration_that_was_written(folder: Folder) -> None:
    words = ["ssh", "-G", "-F", str(folder.ssh_config), "k8s-worker-1"]
    said = subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()
    assert {"hostname 127.23.88.112", "port 2222", f"hostkeyalias {WORKER}", "user root"} <= set(
        said
    )
    known = subprocess.run(
        ["ssh-keygen", "-F", WORKER, "-f", str(folder.known_hosts)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "ssh-ed25519 " in known


@pytest.mark.parametrize("state", list(State))
def test_each_state_says_whether_kubelets_ask_the_cluster(state: State, master: Path) -> None:
    plan = NodePlan(
        Site(23), Site(23).hosts[1], ClusterHistory(NOW), Authorities.read(master).ca, "x"
    )
    plain = kubelet_configuration("10.96.0.10")
    text = configured(plain, bootstraps=state.bootstraps)
    assert configured(text, bootstraps=state.bootstraps) == text
    assert configured(text, bootstraps=False) == plain
    lines = text.splitlines()
    assert ("serverTLSBootstrap: true" in lines) == state.bootstraps
    keys = [line for line in lines if line[:1].isalpha()]
    assert keys == sorted(keys)
    placed = serving_files(state, plan, lambda: 7)
    assert {Path(each.path).name.split("-2")[0] for each in placed} == {
        State.EXPIRED: {"kubelet.crt", "kubelet.key"},
        State.ROTATED_EXPIRED: {"kubelet-server", "kubelet-server-current.pem"},
        State.HEALTHY: {"kubelet-server", "kubelet-server-current.pem"},
    }.get(state, set())
    ends = [
        KeyPair(each.data, b"").leaf.not_valid_after_utc
        for each in placed
        if b"BEGIN CERT" in each.data
    ]
    assert [end > NOW for end in ends] == [state is State.HEALTHY] * len(ends)


def test_a_certificate_made_earlier_is_the_same_but_for_its_dates() -> None:
    ca = authority("kubernetes", NOW, 1)
    pair = kubelet_client(ca, WORKER, NOW, 2)
    earlier = made_earlier(pair.leaf, ca, timedelta(days=300))
    assert earlier.not_valid_after_utc == pair.leaf.not_valid_after_utc - timedelta(days=300)
    assert earlier.subject == pair.leaf.subject
    assert earlier.serial_number == pair.leaf.serial_number
    assert earlier.public_key() == pair.leaf.public_key()
    assert [e.value for e in earlier.extensions] == [e.value for e in pair.leaf.extensions]
    earlier.verify_directly_issued_by(ca.leaf)


def test_every_object_of_the_seed_has_a_place_of_its_own(master: Path) -> None:
    pki = Authorities.read(master)
    found = seed.objects(Site(23), ClusterHistory(NOW), pki, uids(os.urandom))
    places = [
        (
            each["apiVersion"],
            each["kind"],
            each["metadata"].get("namespace"),
            each["metadata"]["name"],
        )
        for each in found
    ]
    assert len(set(places)) == len(places)
    assert len({each["metadata"]["uid"] for each in found}) == len(found)
    json.dumps(found)
    bound = {role["metadata"]["name"] for role in found if role["kind"] == "ClusterRole"}
    wanted = {
        each["roleRef"]["name"]
        for each in found
        if each["kind"].endswith("Binding") and each["roleRef"]["kind"] == "ClusterRole"
    }
    assert wanted <= bound


@pytest.mark.parametrize("family", IpFamily)
def test_addresses_of_a_big_lab_do_not_meet(family: IpFamily) -> None:
    site = Site(23, 1000, family=family)
    each = len(family.members)
    assert len(set(site.addresses)) == 1000 * each
    networks = [ip_network(n) for host in site.hosts for n in site.pod_networks(host)]
    assert len(set(networks)) == 1000 * each
    subnets = [ip_network(n) for n in site.pod_subnets]
    for network in networks:
        assert any(network.version == s.version and network.subnet_of(s) for s in subnets)  # type: ignore[arg-type]
    assert not any(ip_address(a) in subnet for a in site.addresses for subnet in subnets)


def test_a_lab_with_ipv6_has_its_addresses_where_kubeadm_would_have_them() -> None:
    site = Site(23, family=IpFamily.IPV6)
    assert site.api_url == "https://[fd00:88:17::6f]:6443"
    assert site.hosts[1].addresses == ("fd00:88:17::70",)
    for each in (*site.service_addresses, site.dns_address):
        assert ip_address(each) in ip_network(site.service_subnets[0])
    both = Site(23, family=IpFamily.DUAL).hosts[1]
    assert both.addresses == ("127.23.88.112", "fd00:88:17::70")


def test_two_processes_cannot_run_one_lab(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    assert folder.running() == 0
    with folder.locked():
        assert folder.running() == os.getpid()
        with pytest.raises(Busy, match=f"process {os.getpid()} runs this lab"), folder.locked():
            pass
    assert folder.running() == 0


def test_a_folder_of_another_version_says_what_to_do(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    with pytest.raises(LabError, match="no lab was made here"):
        folder.record()
    folder.keep(Record(23, 4, "expired", NOW, "x", format=99))
    with pytest.raises(LabError, match=r"has another format \(99\); remove the folder"):
        folder.record()


def test_kubeadm_sees_nothing_wrong_in_the_very_words_of_a_real_one(master: Path) -> None:
    """The recorded table of a real cluster, its dates put in place of ours."""
    recorded = (FIXTURES / "kubeadm-certs-check-expiration.txt").read_text()
    told = kubeadm(NodeFiles(master, "k8s-master"), SteppedClock(NOW))(
        ["certs", "check-expiration"]
    )
    assert told.code == 0

    def shape(text: str) -> str:
        text = re.sub(r"[A-Z][a-z]{2} \d\d, \d{4} \d\d:\d\d UTC", "DATE", text)
        return re.sub(r"\b(\d+d|\d+y)  ", "LEFT  ", text)

    assert shape(told.out).replace("LEFT  ", "LEFT") == shape(recorded).replace("LEFT  ", "LEFT")
