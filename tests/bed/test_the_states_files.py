"""What the bed puts on a node is what a kubelet, or the cluster's signer, would have left there."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from real.layout import HOSTS, MASTER, WORKERS, Host
from real.pairs import Pair, cluster_ca, kubelet_self_signed, kubelet_serving
from real.placing import Placed
from real.states import CURRENT, PKI, History, State, serving_files

BOOTED = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
HISTORY = History(BOOTED)


@pytest.fixture(scope="module")
def ca() -> Pair:
    return cluster_ca(HISTORY.cluster_made)


def names(files: tuple[Placed, ...]) -> dict[str, Placed]:
    return {file.path: file for file in files}


def chain_of(pem: bytes) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(pem)


def common_name(name: x509.Name) -> str:
    return str(name.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


def test_a_self_signed_pair_has_the_kubelets_own_form() -> None:
    made = datetime(2025, 9, 30, 8, 0, 5, tzinfo=UTC)
    pair = kubelet_self_signed("k8s-worker-1.internal.example.com", made)
    leaf, issuer = chain_of(pair.chain)

    stamp = int(made.timestamp())
    assert common_name(leaf.subject) == f"k8s-worker-1.internal.example.com@{stamp}"
    assert common_name(leaf.issuer) == f"k8s-worker-1.internal.example.com-ca@{stamp}"
    assert issuer.subject == leaf.issuer
    leaf.verify_directly_issued_by(issuer)
    for certificate in (leaf, issuer):
        assert certificate.not_valid_before_utc == made - timedelta(hours=1)
        assert certificate.not_valid_after_utc == certificate.not_valid_before_utc + timedelta(
            days=365
        )
        assert certificate.serial_number.bit_length() <= 63
        assert isinstance(certificate.public_key(), rsa.RSAPublicKey)

    sans = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert list(sans) == [x509.DNSName("k8s-worker-1.internal.example.com")]
    usages = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usages) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert pair.key.startswith(b"-----BEGIN RSA PRIVATE KEY-----")


@pytest.mark.parametrize("host", HOSTS, ids=lambda host: host.short)
def test_expired_means_expired_before_the_boot_after_a_year_of_life(host: Host, ca: Pair) -> None:
    files = names(serving_files(State.EXPIRED, host, HISTORY, ca))
    leaf = chain_of(files[f"{PKI}/kubelet.crt"].data)[0]
    assert leaf.not_valid_after_utc < BOOTED
    assert (files[f"{PKI}/kubelet.crt"].mode, files[f"{PKI}/kubelet.key"].mode) == (0o644, 0o600)


def test_the_fourth_node_expired_on_another_date_weeks_after_the_others() -> None:
    first = [HISTORY.joined(host) for host in HOSTS[:-1]]
    assert max(first) - min(first) < timedelta(hours=1)
    assert HISTORY.joined(WORKERS[-1]) - max(first) > timedelta(days=40)


@pytest.mark.parametrize("host", HOSTS, ids=lambda host: host.short)
def test_a_rotated_pair_is_laid_out_as_the_certificate_store_does_it(host: Host, ca: Pair) -> None:
    files = names(serving_files(State.ROTATED_EXPIRED, host, HISTORY, ca))
    link = files.pop(CURRENT)
    ((path, dated),) = files.items()
    assert link.link == path
    assert dated.mode == 0o600

    leaf = chain_of(dated.data)[0]
    assert leaf.not_valid_after_utc < BOOTED
    assert common_name(leaf.subject) == f"system:node:{host.name}"
    sans = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert sans.get_values_for_type(x509.DNSName) == [host.name]
    assert [str(address) for address in sans.get_values_for_type(x509.IPAddress)] == [host.address]
    key = serialization.load_pem_private_key(dated.data[dated.data.index(b"-----BEGIN EC") :], None)
    assert key.public_key() == leaf.public_key()


def test_the_signers_certificate_lies_within_the_life_of_the_clusters_ca(ca: Pair) -> None:
    pair = kubelet_serving(ca, MASTER.name, MASTER.address, HISTORY.joined(MASTER))
    authority = ca.leaf
    assert authority.not_valid_before_utc <= pair.leaf.not_valid_before_utc
    assert authority.not_valid_after_utc > BOOTED
    public = authority.public_key()
    assert isinstance(public, rsa.RSAPublicKey)
    hashed = pair.leaf.signature_hash_algorithm
    assert hashed is not None
    public.verify(pair.leaf.signature, pair.leaf.tbs_certificate_bytes, padding.PKCS1v15(), hashed)


@pytest.mark.parametrize("state", [State.NO_IP_SANS, State.PENDING, State.HEALTHY])
def test_where_the_kubelet_makes_or_asks_for_its_pair_none_is_put(state: State, ca: Pair) -> None:
    assert serving_files(state, MASTER, HISTORY, ca) == ()
