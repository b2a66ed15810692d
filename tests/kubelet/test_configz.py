"""/configz: the configuration that a running kubelet really has."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubevouch.kubelet.configuration import KubeletConfiguration, values_of
from kubevouch.kubelet.errors import AnswerError
from kubevouch.kubelet.pending import LARGEST, read_configz


def _values(body: bytes, where: str) -> KubeletConfiguration:
    return values_of(read_configz(body, where))


def test_a_kubelet_that_signs_its_own(cases: Path) -> None:
    found = _values((cases / "kubeadm-1.36-configz.json").read_bytes(), "node n1")
    assert not found.server_tls_bootstrap
    assert found.rotate_certificates
    # Not from any file: the kubelet writes the paths of the pair it made into its own configuration.
    assert found.tls_cert_file == "/var/lib/kubelet/pki/kubelet.crt"
    assert found.tls_private_key_file == "/var/lib/kubelet/pki/kubelet.key"
    assert found.authentication.x509.client_ca_file == "/etc/kubernetes/pki/ca.crt"
    assert found.authentication.webhook.enabled
    assert not found.authentication.anonymous.enabled
    assert found.authorization.mode == "Webhook"
    assert (found.port, found.healthz_port) == (10250, 10248)
    assert found.cluster_domain == "cluster.local"


def test_a_kubelet_that_asks_the_cluster(cases: Path) -> None:
    found = _values((cases / "kubeadm-1.36-configz-fixed.json").read_bytes(), "node n1")
    assert found.server_tls_bootstrap
    assert found.tls_cert_file == ""


def test_an_older_kubelet_leaves_kind_and_version_out(cases: Path) -> None:
    found = _values((cases / "kubernetes-1.32-configz.json").read_bytes(), "node n1")
    assert not found.server_tls_bootstrap
    assert found.rotate_certificates


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"kubeletconfig":null}',
        b'{"kubeletconfig":{"serverTLSBootstrap":"true"}}',
        b'{"kubeletconfig":{"port":"x"}}',
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
