"""Which source decides: defaults, the file, drop-ins, flags; the winner is named."""

import pytest

from kubevouch.kubelet.configuration import KubeletConfiguration, read_configuration
from kubevouch.kubelet.effective import DEFAULT, EffectiveConfiguration, effective
from kubevouch.kubelet.errors import ConfigurationError
from kubevouch.kubelet.flags import read_flags
from tests.kubelet.judged import HEAD

BOOTSTRAP = "serverTLSBootstrap"
CONFIG = "/var/lib/kubelet/config.yaml"


def sourced(
    file: bytes | None = HEAD, drop_ins: dict[str, bytes] | None = None, *args: str
) -> EffectiveConfiguration:
    read = [
        read_configuration(content, path, drop_in=True)
        for path, content in (drop_ins or {}).items()
    ]
    config = None if file is None else read_configuration(file, CONFIG)
    return effective(config, read, read_flags(["kubelet", *args]))


ON = HEAD + b"serverTLSBootstrap: true\n"


@pytest.mark.parametrize(
    ("found", "source"),
    [
        (sourced(), DEFAULT),
        (sourced(ON), f"file {CONFIG}"),
        (sourced(HEAD, {"/etc/k.d/10.conf": ON}), "drop-in /etc/k.d/10.conf"),
        (sourced(HEAD, {"/a.conf": ON, "/b.conf": ON}), "drop-in /b.conf"),
        (sourced(ON, {"/a.conf": HEAD}), f"file {CONFIG}"),
        (sourced(ON, {"/a.conf": HEAD + b"serverTLSBootstrap: null\n"}), DEFAULT),
        (
            sourced(ON, {"/a.conf": ON}, "--rotate-server-certificates=false"),
            "flag --rotate-server-certificates",
        ),
    ],
)
def test_the_winning_source_is_named(found: EffectiveConfiguration, source: str) -> None:
    assert found.source_of(BOOTSTRAP) == source


def test_each_key_has_its_own_source() -> None:
    found = sourced(
        HEAD + b"authentication: {webhook: {enabled: true}, anonymous: {enabled: false}}\n",
        {
            "/a.conf": HEAD
            + b"authentication: {anonymous: {enabled: true}}\nfeatureGates: {A: true}\n"
        },
        "--feature-gates=B=true",
        "--tls-cert-file=/c",
    )
    assert {key: found.source_of(key) for _, keys in found.sources for key in keys} == {
        "apiVersion": "drop-in /a.conf",
        "kind": "drop-in /a.conf",
        "authentication": "drop-in /a.conf",
        "featureGates": "flag --feature-gates",
        "tlsCertFile": "flag --tls-cert-file",
    }
    assert found.configuration.feature_gates == {"A": True, "B": True}


def test_a_file_that_cannot_be_read_is_named_with_line_and_reason() -> None:
    with pytest.raises(ConfigurationError, match=r"/b\.conf: line 4, column 1: .* is a duplicate"):
        sourced(HEAD, {"/a.conf": ON, "/b.conf": ON + b"serverTLSBootstrap: true\n"})


@pytest.mark.parametrize(
    ("gates", "off"),
    [
        ({}, False),
        ({"RotateKubeletServerCertificate": False}, True),
        ({"AllBeta": False}, True),
        ({"AllBeta": False, "RotateKubeletServerCertificate": True}, False),
    ],
)
def test_the_gate_of_rotation_may_be_off(gates: dict[str, bool], off: bool) -> None:
    assert KubeletConfiguration(feature_gates=gates).bootstrap_gate_off is off
