"""The plan file: what is written is read again; anything else is refused with a line."""

import re
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubevouch.cli.common.runs import read_plan, write_plan
from kubevouch.errors import KubevouchError, UsageError
from kubevouch.policy.claims import Claim, NameSource
from kubevouch.rollout.decide.plan import (
    ChangeKind,
    ConfigMapPlan,
    DiskChange,
    LeftOut,
    NodePlan,
    Plan,
    PodPlace,
)
from kubevouch.rollout.decide.plan_text import node_problem

from .recorded import bent, plan_of, planned, recorded

NODE = bent(
    planned(recorded("expired-worker"), ChangeKind.APPROVE),
    node="w1",
    uid="u",
    machine_id="m",
    host="w1",
    dial=("10.0.0.5",),
    names=(Claim("w1", NameSource.NODE_NAME),),
    addresses=(Claim("10.0.0.5", NameSource.SSH_HOST_KEY),),
)
PLAN = plan_of(NODE, left_out=(LeftOut("w2", "it is NotReady"),))
BY_POD = msgspec.structs.replace(
    PLAN,
    via="pod",
    pods=PodPlace("kube-system", "registry.example.com/kubevouch@sha256:" + "ab" * 32),
    nodes=(bent(NODE, host_key=""),),
)
CHANGES = msgspec.structs.replace(
    NODE,
    change=ChangeKind.BOOTSTRAP,
    disk=DiskChange("/var/lib/kubelet", "/var/lib/kubelet/pki", "/k/config.yaml"),
)
BOOTSTRAP = msgspec.structs.replace(PLAN, nodes=(CHANGES,))


EVERY_FIELD = msgspec.structs.replace(
    BY_POD, config_map=ConfigMapPlan("kubelet-config", "u", "1", "a: {}\n", '"b" {', "diff")
)
LOGINS = ("root", "core", "EXAMPLE\\ops", "ops@example.com", "a.b-c_1+x")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "plan.json"


@pytest.mark.parametrize(
    "plan",
    [
        PLAN,
        BY_POD,
        BOOTSTRAP,
        EVERY_FIELD,
        *(msgspec.structs.replace(PLAN, ssh_user=user) for user in LOGINS),
    ],
)
def test_a_plan_comes_back_as_it_was_written(path: Path, plan: Plan) -> None:
    write_plan(plan, path)
    assert read_plan(path) == plan
    assert path.read_text().startswith("{\n  ")


LOGIN = "is not a login name that ssh accepts"
"""ssh puts it into the command lines of its configuration (%r of ProxyCommand and `Match exec`)."""
IMAGE, SPACE = "the plan's pod image is not NAME@sha256:DIGEST", "valid plan"
BENT: list[tuple[Plan, str, str, str]] = [
    # the plan, what stands in its file, what is put in its place, why it is refused
    (BY_POD, '"via": "pod"', '"via": "ssh"', "no ssh host key"),
    (PLAN, '"via": "ssh"', '"via": "pod"', "must have `pods` if `via` is pod"),
    (BY_POD, "@sha256:" + "ab" * 32, ":latest", IMAGE),
    (BY_POD, "@sha256:ab", "@sha256:", IMAGE),
    (BY_POD, '"kube-system"', '"kube-system/../x"', SPACE),
    (BY_POD, '"kube-system"', '""', SPACE),
    *((PLAN, "kubevouch.plan/1", other, "valid plan") for other in ("kubevouch.plan/2", "kubevouch.status/1", "")),
    (PLAN, '"node": "w1"', '"node": "--kubeconfig=/tmp/x"', "valid plan"),
    (PLAN, '"node": "w2"', '"node": "--kubeconfig=/tmp/x"', "valid plan"),
    (PLAN, '"node": "w2"', '"node": ""', "valid plan"),
    (PLAN, '"only": []', '"only": ["-w"]', "valid plan"),
    (PLAN, '"via": "ssh"', '"via": "telnet"', "valid plan"),
    (PLAN, '"port": 10250', '"port": "10250"', "valid plan"),
    (PLAN, '"port": 10250', '"port": 70000', "valid plan"),
    (PLAN, "its ssh host key answered there", "trust me", "valid plan"),
    (PLAN, '"10.0.0.5"', '"not an address"', "not a valid IP address"),
    (PLAN, '"run": "abcd"', '"run": "../../etc"', "valid plan"),
    (PLAN, '"run": "abcd"', '"run": "a b;c"', "valid plan"),
    (PLAN, '"machineId": "m"', '"machineId": ""', "valid plan"),
    (PLAN, '"machineId": "m"', '"machineId": "a b"', "valid plan"),
    (PLAN, '"hostKey": "ssh-ed25519 SHA256:key"', '"hostKey": ""', "no ssh host key"),
    *((PLAN, '"host": "w1"', f'"host": "{other}"', "valid plan") for other in ("-oProxyCommand=x", "-w1", "a;b", "")),
    (PLAN, '"host": "w1"', '"host": "w1", "host": "w2"', "'host' appears twice"),
    (PLAN, '"host": "w1"', '"host": "w1", "h\\u006fst" : "w2"', "'host' appears twice"),
    (PLAN, '"value": "10.0.0.5"', '"value": "10.0.0.5", "value": "10.0.0.1"', "'value' appears twice"),
    *((EVERY_FIELD, f'"{key}": ', f'"{key}d": 1, "{key}": ', "unknown field") for key in ("run", "uid", "node", "caSha256", "value", "root", "image", "before")),
    (PLAN, '"sshConfig": ""', '"sshConfig": "/etc/\\u0000"', "valid plan"),
    (PLAN, '"sshConfig": ""', f'"sshConfig": "/{"a" * 4096}"', "valid plan"),
    (PLAN, '"sshUser": ""', f'"sshUser": "{"a" * 257}"', "'aaaa"),
    (PLAN, "2026-11-24T00:00:00Z", "2026-11-24T00:00:00", "valid plan"),
    (PLAN, "}", "", "valid plan"),
    *(
        (PLAN, '"sshUser": ""', f'"sshUser": "{user}"', LOGIN)
        for user in ("x$(reboot)", "x`reboot`", "-oProxyCommand=x", "a b", "a\\u0000", "a\\n", "a'b", "a;b", "a|b", "a\\\\")
    ),
    *(
        (BOOTSTRAP, f'"{where}"', f'"{path}"', "valid plan" if path else "the field disk lacks root, pki or config")
        for where in (CHANGES.disk.root, CHANGES.disk.pki, CHANGES.disk.config)
        for path in ("", "relative", "/var/../etc", "/a/..")
    ),
]  # fmt: skip


@pytest.mark.parametrize(("plan", "old", "new", "why"), BENT)
def test_a_plan_that_was_bent_is_refused(
    path: Path, plan: Plan, old: str, new: str, why: str
) -> None:
    write_plan(plan, path)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    with pytest.raises(UsageError, match=why) as refused:
        read_plan(path)
    assert refused.value.where == str(path)


@pytest.mark.parametrize(
    ("says", "why"),
    [
        ({}, ""),
        ({"machine_id": "a b"}, "the field machineId is malformed"),
        ({"host": "-oProxyCommand=x"}, "the field host is malformed"),
        ({"root": ""}, "the field disk lacks root, pki or config"),
        ({"diff": "+" * 300_000}, "expected at most 262144"),
    ],
)
def test_the_word_of_one_node_does_not_spoil_the_plan_of_all(
    says: dict[str, str], why: str
) -> None:
    found = node_problem(bent(CHANGES, **says))
    assert (found == "") is (why == "")
    assert why in found


@pytest.mark.parametrize(
    ("nodes", "why"), [((), "has no node"), (PLAN.nodes * 2, "the plan lists a node twice")]
)
def test_each_node_of_a_plan_stands_there_once(
    path: Path, nodes: tuple[NodePlan, ...], why: str
) -> None:
    write_plan(msgspec.structs.replace(PLAN, nodes=nodes, left_out=()), path)
    with pytest.raises(UsageError, match=why):
        read_plan(path)


HIDDEN = ["\x1b[2J", "\x9b31m", *"\x7f\x85\u202e\u200b\ufeff\u2028\U000e0041\u0430"]


@pytest.mark.parametrize("hidden", HIDDEN, ids=ascii)
def test_what_nobody_sees_is_written_so_that_it_shows_and_is_refused_if_somebody_put_it_there(
    path: Path, hidden: str
) -> None:
    """A Node's status and a kubelet's file can hold such characters."""
    left_out = (LeftOut("w2", f"its status has {hidden}"),)
    plan = msgspec.structs.replace(PLAN, left_out=left_out)
    write_plan(plan, path)
    assert re.fullmatch(r"[\n -~]*", path.read_text(encoding="utf-8"))
    assert read_plan(path) == plan
    path.write_text(path.read_text().replace("its status", f"its {hidden}status"), encoding="utf-8")
    with pytest.raises(UsageError, match=r"not plain ASCII, U\+"):
        read_plan(path)


@given(data=st.binary(max_size=500))
def test_any_bytes_are_a_plan_or_refused(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    path = tmp_path_factory.mktemp("plan") / "plan.json"
    path.write_bytes(data)
    with pytest.raises(KubevouchError):
        read_plan(path)


def test_a_plan_that_cannot_be_written_says_so() -> None:
    with pytest.raises(UsageError, match="cannot be written: No space left"):
        write_plan(PLAN, Path("/dev/full"))
