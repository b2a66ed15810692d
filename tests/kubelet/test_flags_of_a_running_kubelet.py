"""A kubelet's command line, read as the kubelet reads it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubevouch.kubelet.effective import effective
from kubevouch.kubelet.errors import ConfigurationError
from kubevouch.kubelet.flags import Flags, read_flags

CONFIG = "/var/lib/kubelet/config.yaml"


@pytest.mark.parametrize(
    "argv",
    [
        ["kubelet", "word"],
        ["kubelet", "--"],
        ["kubelet", "-"],
        ["kubelet", ""],
        ["kubelet", "-config=/x"],
    ],
)
def test_words_no_kubelet_starts_with_are_refused(argv: list[str]) -> None:
    with pytest.raises(ConfigurationError, match="kubelet's command line"):
        read_flags(argv)


def test_the_command_line_of_a_kubeadm_host() -> None:
    flags = read_flags(
        [
            "/usr/bin/kubelet",
            "--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf",
            "--kubeconfig=/etc/kubernetes/kubelet.conf",
            "--config=/var/lib/kubelet/config.yaml",
            "--container-runtime-endpoint=unix:///run/containerd/containerd.sock",
            "--node-ip=192.168.88.112,fd00::2",
        ]
    )
    assert flags.config == CONFIG
    assert flags.kubeconfig == "/etc/kubernetes/kubelet.conf"
    assert flags.cert_dir == "/var/lib/kubelet/pki"
    assert flags.switch("rotate-server-certificates") is None


def test_a_kubelet_without_flags() -> None:
    assert read_flags(["kubelet"]) == Flags()
    assert read_flags([]) == Flags()


@given(st.lists(st.text(alphabet="-=abv_ ", max_size=8), max_size=6))
def test_any_words_are_flags_or_refused(words: list[str]) -> None:
    try:
        flags = read_flags(["kubelet", *words])
        effective(None, [], flags)
    except ConfigurationError:
        pass
