"""/configz: the configuration that a running kubelet really has."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubevouch.kubelet.configuration import values_of
from kubevouch.kubelet.errors import AnswerError
from kubevouch.kubelet.pending import LARGEST, read_configz


@pytest.mark.parametrize(
    ("name", "bootstraps", "certificate"),
    [
        # Not from any file: the kubelet writes the path of the pair it made into its own configuration.
        ("kubeadm-1.36-configz.json", False, "/var/lib/kubelet/pki/kubelet.crt"),
        ("kubeadm-1.36-configz-fixed.json", True, ""),
        # An older kubelet leaves kind and version out.
        ("kubernetes-1.32-configz.json", False, "/var/lib/kubelet/pki/kubelet.crt"),
    ],
)
def test_what_a_kubelet_answers(
    cases: Path, name: str, certificate: str, *, bootstraps: bool
) -> None:
    found = values_of(read_configz((cases / name).read_bytes(), "node n1"))
    assert found.server_tls_bootstrap is bootstraps
    assert found.tls_cert_file == certificate
    assert found.cluster_domain == "cluster.local"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"kubeletconfig":null}',
        b'{"kubeletconfig":{"serverTLSBootstrap":"true"}}',
        b'{"kubeletconfig":{',
        b'{"kubeletconfig":' + b"[" * 100_000,
        b'{"kubeletconfig":{"clusterDomain":"\xff"}}',
        b"Error from server (ServiceUnavailable): remote error: tls: internal error\n",
        b" " * (LARGEST + 1),
    ],
    ids=lambda body: repr(body[:50]),
)
def test_another_answer_is_refused_with_the_kubelets_name(body: bytes) -> None:
    with pytest.raises(AnswerError, match=r"^node n1, /configz: "):
        read_configz(body, "node n1")


@given(st.binary(max_size=200))
def test_any_bytes_are_a_configuration_or_an_answer_error(body: bytes) -> None:
    with contextlib.suppress(AnswerError):
        read_configz(body, "node n1")
