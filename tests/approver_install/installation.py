"""What the tests of `approver install`, `upgrade` and `remove` share: objects, flags, and what a command must end with."""

import re
import shlex
from typing import Any

import pytest
import yaml

from kubevouch_lab.apiserver.kinds import CONFIG_MAPS, DEPLOYMENTS, KINDS
from lab.tests.apiserver.bench import Bench
from tests.cli.program import Program, Ran

OTHER = "registry.example.com/kubevouch@sha256:" + "5e" * 32
RULE = ("--new-node-names", "worker-*", "--new-node-cidr", "192.168.88.0/24")
UPGRADE = ("approver", "upgrade", "--image", OTHER, "--yes", "--wait", "0s")
SPACE = "kubevouch-system"
PIN = ("approver", "pin", "--yes")
NAME = "kubevouch-approver"
ADMISSION = "admissionregistration.k8s.io"
POLICIES = KINDS[ADMISSION, "v1", "validatingadmissionpolicies"]
BINDINGS = KINDS[ADMISSION, "v1", "validatingadmissionpolicybindings"]
BUDGETS = KINDS["policy", "v1", "poddisruptionbudgets"]

installed = pytest.mark.usefixtures("installed")
"""Of a test in whose cluster the approver is there already: HELD was run."""


def everything(lab: Bench) -> dict[str, Any]:
    """All objects of the cluster, by kind, namespace and name."""
    return {
        f"{kind.kind} {each['metadata'].get('namespace', '')}/{each['metadata']['name']}": each
        for kind in KINDS.values()
        if kind.stored and kind.stored_as is None
        for each in lab.local.list(kind)
    }


async def unchanged(lab: Bench, kubevouch: Program, *words: str, code: int) -> Ran:
    """Runs it to its end; every object of the cluster is then as before."""
    before = everything(lab)
    ran = await kubevouch(*words, code=code)
    assert everything(lab) == before
    return ran


def configuration(lab: Bench) -> Any:
    found = lab.local.get(CONFIG_MAPS, NAME, SPACE)
    return yaml.safe_load(found["data"]["configuration.yaml"])


def pinned_nodes(lab: Bench) -> set[str]:
    found = [e for e in lab.local.list(CONFIG_MAPS) if "kubevouch-pins-" in e["metadata"]["name"]]
    return {node for each in found for node in each.get("data", {})}


def list_in_the_deployment(lab: Bench, *references: str) -> None:
    """As a former version has written it."""
    key = "kubevouch.dev/applied"
    found = lab.local.get(DEPLOYMENTS, NAME, SPACE)
    listed = "\n".join([found["metadata"]["annotations"][key], *references])
    found["metadata"]["annotations"][key] = listed
    lab.store.update(DEPLOYMENTS, found)


def name_of(manifest: Any) -> str:
    metadata = manifest["metadata"]
    return f"{manifest['kind']} {metadata.get('namespace', '')}/{metadata['name']}"


def undo(ran: Ran) -> list[str]:
    """The words of the command behind UNDO."""
    [line] = re.findall(r"^UNDO  kubevouch (.*)$", ran.out, re.MULTILINE)
    return shlex.split(line)


def undone_by(ran: Ran) -> list[str]:
    """The same of an installation, to be run without a terminal."""
    return [*undo(ran), "--yes", "--wait", "0s"]


def as_written(lab: Bench) -> dict[str, Any]:
    def plain(found: Any) -> Any:
        return {
            **found,
            "metadata": {
                key: found["metadata"].get(key) for key in ("name", "namespace", "labels")
            },
            "status": None,
            "spec": {
                k: v for k, v in found.get("spec", {}).items() if not k.startswith("clusterIP")
            },
        }

    return {name: plain(each) for name, each in everything(lab).items()}
