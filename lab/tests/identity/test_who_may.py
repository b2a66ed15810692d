"""RBAC, the authorizer of nodes and NodeRestriction: real kubectl asks and is told why."""

from typing import Any

import pytest

from kubevouch_lab.apiserver.kinds import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    CONFIG_MAPS,
    LEASES,
    NODES,
    PODS,
    ROLE_BINDINGS,
    ROLES,
)
from kubevouch_lab.apiserver.request import AUTHENTICATED, RequestInfo, UserInfo
from kubevouch_lab.apiserver.status import StatusError
from lab.tests.bodies import pod
from lab.tests.plane import Plane

NODE = UserInfo("system:node:n1", groups=("system:nodes", AUTHENTICATED))
EVE = UserInfo("eve", groups=("team", AUTHENTICATED))


def role(name: str, verbs: list[str], resources: list[str], **more: Any) -> dict[str, Any]:
    rule = {"apiGroups": [""], "verbs": verbs, "resources": resources, **more}
    return {"metadata": {"name": name}, "rules": [rule]}


def binding(name: str, role_name: str, *subjects: dict[str, str], kind: str = "ClusterRole") -> Any:
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role_name}
    return {"metadata": {"name": name}, "roleRef": reference, "subjects": list(subjects)}


def may(running: Plane, user: UserInfo, verb: str, resource: str, **more: Any) -> tuple[bool, str]:
    return running.authorize(RequestInfo(verb, "", user, resource=resource, version="v1", **more))


def test_the_reason_names_the_binding(running: Plane) -> None:
    running.admin.create(CLUSTER_ROLES, role("reader", ["get"], ["pods/log", "pods"]))
    team = {"kind": "Group", "name": "team"}
    running.admin.create(CLUSTER_ROLE_BINDINGS, binding("readers", "reader", team))
    assert may(running, EVE, "get", "pods", namespace="a", subresource="log") == (
        True,
        'RBAC: allowed by ClusterRoleBinding "readers" of ClusterRole "reader" to Group "team"',
    )
    assert may(running, EVE, "get", "pods", namespace="a", subresource="exec") == (False, "")


def test_a_role_holds_in_its_namespace(running: Plane) -> None:
    space = {"namespace": "kube-system"}
    made = role("one", ["get"], ["configmaps"], resourceNames=["wanted"])
    running.admin.create(ROLES, {**made, "metadata": {"name": "one", **space}})
    account = {"kind": "ServiceAccount", "name": "robot", **space}
    bound = binding("ones", "one", account, kind="Role")
    running.admin.create(ROLE_BINDINGS, {**bound, "metadata": {"name": "ones", **space}})
    robot = UserInfo("system:serviceaccount:kube-system:robot")
    wanted = {"name": "wanted", "namespace": "kube-system"}
    assert may(running, robot, "get", "configmaps", **wanted) == (
        True,
        'RBAC: allowed by RoleBinding "ones/kube-system" of Role "one" to ServiceAccount "robot/kube-system"',
    )
    for other in ({"name": "wanted", "namespace": "default"}, {**wanted, "name": "other"}):
        assert may(running, robot, "get", "configmaps", **other) == (False, "")
    assert may(running, robot, "list", "configmaps", namespace="kube-system") == (False, "")


def test_a_binding_to_no_role_says_so(running: Plane) -> None:
    user = {"kind": "User", "name": "eve"}
    running.admin.create(CLUSTER_ROLE_BINDINGS, binding("lost", "gone", user))
    assert may(running, EVE, "get", "pods") == (
        False,
        'RBAC: clusterrole.rbac.authorization.k8s.io "gone" not found',
    )


async def test_kubectl_is_told_what_it_may(running: Plane) -> None:
    running.knows("eve", running.authority.client("eve", "team"))
    assert (await running.kubectl("auth", "can-i", "delete", "pods", user="eve")).out == "no\n"
    assert await running.does("auth", "can-i", "get", "/healthz", user="eve") == "yes\n"
    running.admin.create(
        CLUSTER_ROLE_BINDINGS, binding("eve", "view", {"kind": "User", "name": "eve"})
    )
    assert await running.does("auth", "can-i", "list", "pods", user="eve") == "yes\n"
    refused = await running.kubectl("delete", "pod", "x", user="eve")
    assert refused.err == (
        'Error from server (Forbidden): pods "x" is forbidden: User "eve" cannot delete resource "pods" '
        'in API group "" in the namespace "default"\n'
    )


WHY_NOT = {
    "get nodes name=n1": None,
    "get nodes name=n2": "node 'n1' cannot read 'n2', only its own Node object",
    "list nodes": "node 'n1' cannot read all nodes, only its own Node object",
    "patch nodes name=n1 subresource=status": None,
    "delete nodes name=n1": "",
    "get secrets namespace=default name=s": "no relationship found between node 'n1' and this object",
    "update configmaps": "can only read resources of this type",
    "create certificatesigningrequests group=certificates.k8s.io": None,
    "update certificatesigningrequests group=certificates.k8s.io subresource=approval": "",
    "update leases group=coordination.k8s.io namespace=kube-node-lease name=n2": (
        "can only access node lease with the same name as the requesting node"
    ),
    "get leases group=coordination.k8s.io namespace=kube-system name=n1": (
        'can only access leases in the "kube-node-lease" system namespace'
    ),
}


@pytest.mark.parametrize("line", WHY_NOT)
def test_what_a_node_may(running: Plane, line: str) -> None:
    verb, resource, *words = line.split()
    more = dict(each.split("=") for each in words)
    why = WHY_NOT[line]
    assert may(running, NODE, verb, resource, **more) == (why is None, why or "")


def test_the_group_alone_makes_no_node(running: Plane) -> None:
    impostor = UserInfo("system:node:n1", groups=(AUTHENTICATED,))
    assert may(running, impostor, "get", "nodes", name="n1") == (False, "")


def refusal(running: Plane, change: Any) -> str:
    with pytest.raises(StatusError) as raised:
        change(running.client(NODE))
    assert raised.value.code == 403
    return raised.value.message.partition(" is forbidden: ")[2]


def test_what_a_node_may_not_write_of_itself(running: Plane) -> None:
    node = running.client(NODE).create(NODES, {"metadata": {"name": "n1", "labels": {"a": "b"}}})
    running.admin.create(NODES, {"metadata": {"name": "n2"}})

    def labelled(**labels: str) -> str:
        changed = {"metadata": {"labels": {key.replace("_", "/"): v for key, v in labels.items()}}}
        return refusal(running, lambda client: client.patch(NODES, "n1", changed))

    taint = {"spec": {"taints": [{"key": "a", "effect": "NoSchedule"}]}}
    assert refusal(running, lambda client: client.patch(NODES, "n1", taint)) == (
        'node "n1" is not allowed to modify taints'
    )
    assert labelled(**{"node-role.kubernetes.io_control-plane": ""}) == (
        "is not allowed to modify labels: node-role.kubernetes.io/control-plane"
    )
    assert labelled(**{"x.node-restriction.kubernetes.io_a": ""}).startswith("is not allowed")
    assert refusal(running, lambda client: client.patch(NODES, "n2", taint)) == (
        'node "n1" is not allowed to modify node "n2"'
    )
    free = {"metadata": {"labels": {"example.com/a": "b", "node.kubernetes.io/x": "y"}}}
    running.client(NODE).patch(NODES, "n1", free)
    status = {"status": {"addresses": [{"type": "InternalIP", "address": "10.0.0.1"}]}}
    written = running.client(NODE).patch(NODES, "n1", status, subresource="status")
    assert written["status"]["addresses"][0]["address"] == "10.0.0.1", "whatever it says"
    assert written["metadata"]["uid"] == node["metadata"]["uid"]


def test_a_node_renews_its_own_lease_alone(running: Plane) -> None:
    lease = {"metadata": {"name": "n2", "namespace": "kube-node-lease"}, "spec": {}}
    assert refusal(running, lambda client: client.create(LEASES, lease)) == (
        "can only access node lease with the same name as the requesting node"
    )
    running.client(NODE).create(LEASES, {**lease, "metadata": {**lease["metadata"], "name": "n1"}})


def test_a_node_makes_no_pods(running: Plane) -> None:
    assert refusal(running, lambda client: client.create(PODS, pod(nodeName="n1"))) == (
        "a kubevouch lab's nodes cannot create mirror pods or change pods"
    )


async def test_anonymous_reads_what_joiners_need(running: Plane) -> None:
    # Passwords are unknown to API servers of today: no credential.
    running.config("nobody", {"username": "a", "password": "b"})
    running.admin.create(
        CONFIG_MAPS, {"metadata": {"name": "cluster-info", "namespace": "kube-public"}}
    )
    path = "/api/v1/namespaces/kube-public/configmaps/cluster-info"
    await running.does("get", "--raw", path, user="nobody")
    refused = await running.kubectl("get", "--raw", "/api/v1/nodes", user="nobody")
    assert 'User "system:anonymous" cannot list resource "nodes"' in refused.err


async def test_nobody_grants_what_they_do_not_hold(running: Plane) -> None:
    running.knows("eve", running.authority.client("eve", "team"))
    rules = [
        {
            "apiGroups": ["rbac.authorization.k8s.io"],
            "resources": ["clusterroles", "clusterrolebindings"],
            "verbs": ["create", "get", "patch"],
        },
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]},
    ]
    running.admin.create(CLUSTER_ROLES, {"metadata": {"name": "own"}, "rules": rules})
    running.admin.create(
        CLUSTER_ROLE_BINDINGS, binding("own", "own", {"kind": "User", "name": "eve"})
    )
    words = ("create", "clusterrole", "mine", "--verb=get,list", "--resource=pods")
    await running.does(*words, user="eve")
    words = ("create", "clusterrole", "more", "--verb=get,delete", "--resource=pods,nodes")
    refused = await running.kubectl(*words, user="eve")
    assert "is attempting to grant RBAC permissions not currently held" in refused.err
    assert "['delete']" in refused.err and "['nodes']" in refused.err
    words = ("create", "clusterrolebinding", "boss", "--clusterrole=cluster-admin", "--user=eve")
    refused = await running.kubectl(*words, user="eve")
    assert "'nonResourceURLs': ['*']" in refused.err
    assert not may(running, EVE, "delete", "nodes")[0]
    may_bind = role("binder", ["bind"], ["clusterroles"], resourceNames=["view"])
    may_bind["rules"][0]["apiGroups"] = ["rbac.authorization.k8s.io"]
    running.admin.create(CLUSTER_ROLES, may_bind)
    running.admin.create(
        CLUSTER_ROLE_BINDINGS, binding("binder", "binder", {"kind": "User", "name": "eve"})
    )
    words = ("create", "clusterrolebinding", "viewer", "--clusterrole=view", "--user=eve")
    await running.does(*words, user="eve")


def test_kubeadms_admins_hold_everything(running: Plane) -> None:
    admin = UserInfo("kubernetes-admin", groups=("kubeadm:cluster-admins", AUTHENTICATED))
    running.client(admin).create(CLUSTER_ROLES, role("any", ["delete"], ["nodes"]))
    running.client(admin).create(
        CLUSTER_ROLE_BINDINGS, binding("boss", "cluster-admin", {"kind": "User", "name": "a"})
    )
