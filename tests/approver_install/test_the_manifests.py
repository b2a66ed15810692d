"""deploy/approver as an operator reads it: least privilege, each right explained, a pod that asks for little."""

import re
from pathlib import Path
from typing import Any

from kubevouch.evidence.approvers import OUR_APPROVER
from kubevouch.policy.sources.nodes import RECORDED
from kubevouch.policy.sources.stored import shard_names
from tests.support.manifests import objects

ROOT = Path(__file__).parents[2]
SPACE = "kubevouch-system"
ACCOUNT = {"kind": "ServiceAccount", "name": "kubevouch-approver", "namespace": SPACE}


def _of(*kinds: str) -> list[Any]:
    return [each for each in objects("*.yaml") if each["kind"] in kinds]


def _rules() -> set[tuple[str, str, str]]:
    """(where, what, verbs) of each rule, in the words of the page."""
    found = set()
    for role in _of("ClusterRole", "Role"):
        where = role["metadata"].get("namespace", "cluster")
        for rule in role["rules"]:
            (group,), (resource,) = rule["apiGroups"], rule["resources"]
            names = rule.get("resourceNames", [])
            if names == list(shard_names(RECORDED)):
                names = ["kubevouch-recorded-0 to -15"]
            what = (f"{resource}.{group}" if group else resource) + (
                f": {', '.join(names)}" if names else ""
            )
            found.add((where, what, ", ".join(rule["verbs"])))
    for binding in _of("ClusterRoleBinding", "RoleBinding"):
        if binding["roleRef"]["name"] != "kubevouch-approver":
            where = binding["metadata"].get("namespace", "cluster")
            found.add((where, binding["roleRef"]["name"], "-"))
    return found


def test_the_page_has_every_right_and_no_other() -> None:
    page = (
        (ROOT / "docs" / "reference" / "approver.md").read_text("utf-8").partition("## Rights")[2]
    )
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", page, re.MULTILINE)
    told = {(where, what, verbs) for where, what, verbs, _ in rows if where not in ("where", "---")}
    assert told == _rules()


def test_every_role_is_bound_to_the_one_account() -> None:
    for binding in _of("ClusterRoleBinding", "RoleBinding"):
        assert binding["subjects"] == [ACCOUNT]
    bound = {each["roleRef"]["name"] for each in _of("ClusterRoleBinding", "RoleBinding")}
    assert {each["metadata"]["name"] for each in _of("ClusterRole", "Role")} <= bound


def test_doctor_knows_the_installed_approver_by_its_account() -> None:
    (account,) = _of("ServiceAccount")
    metadata = account["metadata"]
    assert f"{metadata['namespace']}/{metadata['name']}" == OUR_APPROVER


def test_no_right_is_wide() -> None:
    for where, what, verbs in _rules():
        assert "*" not in what + verbs
        assert "secrets" not in what
        if set(verbs.split(", ")) & {"create", "patch", "update", "delete", "approve"}:
            assert where != "cluster" or what.startswith(
                ("certificatesigningrequests/approval", "signers")
            )


def test_the_recorded_maps_are_those_that_the_policy_names_and_are_empty() -> None:
    maps = _of("ConfigMap")
    assert [each["metadata"]["name"] for each in maps] == list(shard_names(RECORDED))
    assert not any("data" in each for each in maps)
    assert {each["metadata"]["labels"]["kubevouch.dev/holds"] for each in maps} == {"recorded"}


def test_the_pod_is_one_that_pod_security_restricted_admits() -> None:
    """The rules of kubernetes.io/docs/concepts/security/pod-security-standards, Restricted."""
    (space,) = _of("Namespace")
    assert space["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    (deployment,) = _of("Deployment")
    spec = deployment["spec"]["template"]["spec"]
    assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}
    (container,) = spec["containers"]
    assert not {"hostNetwork", "hostPID", "hostIPC", "volumes", "initContainers"} & set(spec)
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] > 0
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    # It needs no DNS, and states what it needs.
    assert (spec["dnsPolicy"], spec["priorityClassName"]) == ("Default", "system-cluster-critical")
    assert set(container["resources"]["requests"]) == {"cpu", "memory"}
    assert {"livenessProbe", "readinessProbe", "startupProbe"} <= set(container)
    assert {
        "key": "node-role.kubernetes.io/control-plane",
        "operator": "Exists",
        "effect": "NoSchedule",
    } in spec["tolerations"]


def test_policies_look_at_the_stored_signer_and_only_warn() -> None:
    found = objects("admission/*.yaml")
    policies = {e["metadata"]["name"]: e for e in found if e["kind"] == "ValidatingAdmissionPolicy"}
    bindings = [e for e in found if e["kind"] == "ValidatingAdmissionPolicyBinding"]
    assert [each["spec"]["validationActions"] for each in bindings] == [["Warn", "Audit"]] * 2
    assert {each["spec"]["policyName"] for each in bindings} == set(policies)
    decided = policies["kubevouch-serving-csr-is-decided-by"]["spec"]
    (rule,) = decided["matchConstraints"]["resourceRules"]
    assert (rule["resources"], rule["operations"]) == (
        ["certificatesigningrequests/approval"],
        ["UPDATE"],
    )
    assert decided["matchConditions"][0]["expression"].startswith("oldObject.spec.signerName ==")
