"""Files, drop-ins and flags mean here what they mean to a kubelet. Its own answers are recorded."""

import pytest

from kubevouch.kubelet.configuration import KubeletConfiguration, read_configuration
from kubevouch.kubelet.document import ProblemKind
from kubevouch.kubelet.effective import DEFAULT, EffectiveConfiguration, drop_in_order, effective
from kubevouch.kubelet.errors import ConfigurationError, KubeletError
from kubevouch.kubelet.flags import SWITCHES, read_flags
from kubevouch.kubelet.known_keys import KEYS
from tests.kubelet.judged import CASES, HEAD, Case, recorded
from tests.support.rows import of_each

ALL = recorded("go-configuration.jsonl")

READ = (
    "server_tls_bootstrap",
    "cluster_domain",
    "feature_gates",
)
# A kubelet reads these, we do not: refused in clear words rather than guessed at.
BEYOND_US = ("tagged", "a tab before the value", "a tab after the value", "nested deeply", "UTF-16")
# A kubelet refuses these, we do not: other versions have other flags, and the type of a key that decides nothing here is not looked at.
BEYOND_IT = {
    "unknown flag",
    "text for a number",
    "broken float",
    "base sixty",
    "list for a mapping",
}


def ours(case: Case) -> EffectiveConfiguration:
    file = None
    if case.config is not None:
        file = read_configuration(case.content, "FOLDER/config.yaml")
    drop_ins = case.drop_ins or {}
    read = [
        read_configuration(drop_ins[path].encode(), path, drop_in=True)
        for path in drop_in_order(drop_ins)
    ]
    return effective(file, read, read_flags(["/usr/bin/kubelet", *case.args]))


@of_each(ALL, named=lambda case: case.name)
def test_the_configuration_in_force_is_the_kubelets_own(case: Case) -> None:
    if case.name in BEYOND_US:
        assert case.values is not None
        assert read_configuration(case.content, "").fatal is not None
    elif case.is_beyond_us:
        with pytest.raises(KubeletError, match="has the wrong case"):
            ours(case)
    elif case.values is None and case.name not in BEYOND_IT:
        with pytest.raises(KubeletError):
            ours(case)
    elif case.values is not None:
        found = ours(case).configuration
        assert [getattr(found, key) for key in READ] == [getattr(case.values, key) for key in READ]
        # Only whether there is one counts here: the kubelet makes its path absolute.
        assert bool(found.tls_cert_file) == bool(case.values.tls_cert_file)


@of_each(ALL, named=lambda case: case.name)
def test_what_a_kubelet_warns_of_is_a_problem_here(case: Case) -> None:
    if case.config is None or case.name in BEYOND_US:
        return
    kinds = {problem.kind for problem in read_configuration(case.content, "").problems}
    if ProblemKind.MERGE_KEY in kinds:
        # Noted for itself; a kubelet warns where one also stands in the way of a key.
        return
    passed_over = {ProblemKind.DUPLICATE_KEY, ProblemKind.UNKNOWN_KEY, ProblemKind.WRONG_CASE}
    assert bool(case.warning) == bool(kinds & passed_over) or case.error


def test_flags_that_have_no_key_are_read_too() -> None:
    [case] = [case for case in ALL if case.name == "flags with values"]
    flags = read_flags(["kubelet", *case.args])
    assert flags.cert_dir == case.cert_dir == "/x"


def test_the_keys_are_the_kubelets() -> None:
    assert set((CASES / "go-keys.txt").read_text().split()) == KEYS


def test_flags_without_a_value_are_the_kubelets() -> None:
    lines = [line.split(" ") for line in (CASES / "go-flags.txt").read_text().splitlines()]
    assert {words[0] for words in lines if words[3] == "true"} <= SWITCHES
    assert not {words[0] for words in lines if words[3] != "true"} & SWITCHES


# Which source decides: defaults, the file, drop-ins, flags; the winner is named.


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
