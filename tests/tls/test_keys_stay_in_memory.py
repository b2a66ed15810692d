"""A certificate and its key go from memory into a context, and nowhere else."""

import os
import ssl
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import given
from hypothesis import strategies as st

from kubevouch.tls import KeyPairError
from kubevouch.tls.io.context import KeyPair, load_key_pair
from tests.support.authority import Authority


def loaded(pair: KeyPair) -> None:
    load_key_pair(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), pair, where="the pair")


@pytest.fixture(scope="module")
def pair(authority: Authority) -> KeyPair:
    made = authority.client("system:admin")
    return KeyPair(made.chain, made.key)


def test_a_pair_is_loaded(pair: KeyPair) -> None:
    loaded(pair)


def test_one_file_with_both_serves_as_both(pair: KeyPair) -> None:
    """kubelet-client-current.pem is such a file."""
    both = pair.chain + pair.key
    loaded(KeyPair(both, both))


def test_neither_repr_nor_str_shows_anything(pair: KeyPair) -> None:
    assert repr(pair) == str(pair) == f"{pair}" == "<KeyPair>"


def test_no_descriptor_stays_open(pair: KeyPair) -> None:
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    loaded(pair)
    with pytest.raises(KeyPairError):
        loaded(KeyPair(pair.chain, b"no key"))
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_on_linux_no_file_is_made(
    pair: KeyPair, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "not there"))
    loaded(pair)


def test_elsewhere_a_file_only_its_owner_can_read_lives_for_the_moment(
    pair: KeyPair, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delattr(os, "memfd_create")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    modes: list[int] = []

    class Watched(ssl.SSLContext):
        def load_cert_chain(self, certfile, keyfile=None, password=None) -> None:  # type: ignore[no-untyped-def] # noqa: ANN001
            modes.extend(
                stat.S_IMODE(path.stat().st_mode)
                for path in (Path(certfile), Path(keyfile), Path(keyfile).parent)
            )
            super().load_cert_chain(certfile, keyfile, password)

    load_key_pair(Watched(ssl.PROTOCOL_TLS_CLIENT), pair, where="the pair")
    assert modes == [0o600, 0o600, 0o700]
    assert not list(tmp_path.iterdir())


def test_a_key_of_another_certificate_is_refused(pair: KeyPair, authority: Authority) -> None:
    other = authority.client("somebody")
    with pytest.raises(KeyPairError, match="the pair: the key does not belong to the certificate"):
        loaded(KeyPair(pair.chain, other.key))


def test_an_encrypted_key_is_refused_and_nobody_is_asked_for_the_passphrase(pair: KeyPair) -> None:
    key = serialization.load_pem_private_key(pair.key, None)
    locked = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.BestAvailableEncryption(b"secret"),
    )
    with pytest.raises(KeyPairError, match="the pair: the private key is encrypted"):
        loaded(KeyPair(pair.chain, locked))


@given(st.binary(max_size=400), st.binary(max_size=400))
def test_any_bytes_are_refused_with_our_own_error(chain: bytes, key: bytes) -> None:
    with pytest.raises(KeyPairError):
        loaded(KeyPair(chain, key))


def test_an_error_shows_nothing_of_the_key(pair: KeyPair) -> None:
    broken = pair.key.replace(b"A", b"!", 1)
    with pytest.raises(KeyPairError) as caught:
        loaded(KeyPair(pair.chain, broken))
    text = f"{caught.value} {caught.value!r}"
    assert "PRIVATE" not in text
    assert not any(line.decode() in text for line in pair.key.splitlines() if line)
