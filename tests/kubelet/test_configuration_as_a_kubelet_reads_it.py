"""Files, drop-ins and flags mean here what they mean to a kubelet. Its own answers are recorded."""

import pytest

from kubevouch.kubelet.configuration import read_configuration
from kubevouch.kubelet.document import ProblemKind
from kubevouch.kubelet.effective import EffectiveConfiguration, drop_in_order, effective
from kubevouch.kubelet.errors import KubeletError
from kubevouch.kubelet.flags import SWITCHES, read_flags
from kubevouch.kubelet.known_keys import KEYS
from tests.kubelet.judged import CASES, Case, recorded
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
