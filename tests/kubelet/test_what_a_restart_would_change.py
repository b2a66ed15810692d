"""What a kubelet's next start would do otherwise than the running one. What runs is a real kubelet's own answer."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from kubevouch.kubelet.configuration import read_configuration
from kubevouch.kubelet.effective import drop_in_order, effective
from kubevouch.kubelet.flags import read_flags
from kubevouch.kubelet.pending import pending_changes, read_configz
from tests.kubelet.judged import Case, recorded

HEAD = b"apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n"
PATH = "/var/lib/kubelet/config.yaml"
NOT_READ_BY_US = {
    "tagged",
    "a tab before the value",
    "a tab after the value",
    "nested deeply",
    "UTF-16",
}
NOT_RECORDED = {"failSwapOn", "seccompDefault"}
SITE = "kubeadm-1.36-config.yaml", "kubeadm-1.36-configz.json"
STARTED = [
    case
    for case in recorded("go-configuration.jsonl")
    if case.configuration is not None and case.name not in NOT_READ_BY_US and not case.is_beyond_us
]


@pytest.mark.parametrize("case", STARTED, ids=lambda case: case.name)
def test_nothing_is_pending_where_the_kubelet_runs_with_what_its_files_say(case: Case) -> None:
    """The kubelet read these very files: whatever it has made of them is no change."""
    drop_ins = case.drop_ins or {}
    files = [read_configuration(drop_ins[p].encode(), p, drop_in=True) for p in drop_in_order(drop_ins)]  # fmt: skip
    file = None if case.config is None else read_configuration(case.content, "FOLDER/config.yaml")
    flags = read_flags(["kubelet", *case.args])
    assert case.configuration is not None
    found = pending_changes(effective(file, files, flags), case.configuration, flags)
    assert [each for each in found if each.key not in NOT_RECORDED] == []


@pytest.mark.parametrize(
    "names", [SITE, ("kubeadm-1.36-config-fixed.yaml", "kubeadm-1.36-configz-fixed.json")]
)
def test_nothing_is_pending_on_a_site_that_kubeadm_made(
    names: tuple[str, str], cases: Path
) -> None:
    assert _pending((cases / names[0]).read_bytes(), cases / names[1]) == []


def _pending(content: bytes, configz: Path, *words: str, running: Any = None) -> list[str]:
    shown = running or read_configz(configz.read_bytes(), "n1")
    flags = read_flags(["kubelet", *words])
    start = effective(read_configuration(content, PATH), [], flags)
    return [str(each) for each in pending_changes(start, shown, flags)]


EDITS: dict[str, tuple[str, list[str], list[str]]] = {
    # lines behind the file, words of the command line, what the restart would change
    "a number": ("maxPods: 50\n", [], ["maxPods from 110 to 50"]),
    "a number that a flag overrides": ("maxPods: 50\n", ["--max-pods=110"], []),
    "a key whose flag is named otherwise": ("podPidsLimit: 9\n", ["--pod-max-pids", "-1"], []),
    "keys of several words whose flags are named otherwise": (
        (
            "authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}\n"
            "authorization: {mode: AlwaysAllow}\nstaticPodPath: /etc/manifests\n"
        ),
        [
            "--anonymous-auth=false",
            "--authentication-token-webhook=true",
            "--authorization-mode=Webhook",
            "--pod-manifest-path=/etc/kubernetes/manifests",
        ],
        [],
    ),
    "the same number": ("maxPods: 110\n", [], []),
    "a duration in other words": ("nodeStatusUpdateFrequency: 10000ms\n", [], []),
    "another duration": (
        "nodeStatusUpdateFrequency: 11s\n",
        [],
        ['nodeStatusUpdateFrequency from "10s" to "11s"'],
    ),
    "nothing": ("maxPods: 0\nregistryPullQPS:\nsystemReserved: {}\n", [], []),
    "what counts as false": ("seccompDefault: false\n", [], []),
    "what is off by a file": ("serializeImagePulls: false\n", [], ["serializeImagePulls from true to false"]),
    "what was not set": ('systemReserved: {cpu: "1"}\n', [], ['systemReserved.cpu from its default to "1"']),
    "a threshold": (
        'evictionHard: {memory.available: 200Mi, nodefs.available: "10%"}\n',
        [],
        ['evictionHard.memory.available from "100Mi" to "200Mi"'],
    ),
    "a list": ("clusterDNS: [10.96.0.11]\n", [], ['clusterDNS from ["10.96.0.10"] to ["10.96.0.11"]']),
    "what a kubelet ignores": ("maxpods: 50\nnosuch: 1\n", [], []),
    "what the run itself sets": ("serverTLSBootstrap: true\n", [], []),
}  # fmt: skip


@pytest.mark.parametrize(("lines", "words", "expected"), EDITS.values(), ids=EDITS)
def test_an_edit_since_the_start_is_told_key_by_key(
    lines: str, words: list[str], expected: list[str], cases: Path
) -> None:
    found = _pending(HEAD + lines.encode(), cases / SITE[1], *words)
    assert [each.removesuffix(f" (file {PATH})") for each in found] == expected


def test_a_value_of_any_length_is_told_in_a_few_words(cases: Path) -> None:
    shown = copy.deepcopy(json.loads((cases / SITE[1]).read_text())["kubeletconfig"])
    shown["clusterDomain"] = "x" * 5000
    [told] = _pending(HEAD + b"clusterDomain: '\\e[2J'\n", cases / SITE[1], running=shown)
    assert len(told) < 200
    assert told.isprintable()
