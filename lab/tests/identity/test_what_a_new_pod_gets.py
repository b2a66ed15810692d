"""ServiceAccount and Priority: what real kubectl shows of a pod that it has just made."""

import pytest

from kubevouch_lab.apiserver.kinds import PODS, SERVICE_ACCOUNTS
from kubevouch_lab.apiserver.status import StatusError
from lab.tests.bodies import pod
from lab.tests.plane import Plane

MOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"


async def test_a_token_is_mounted(running: Plane) -> None:
    await running.does("run", "p", "--image=example.com/c:1")
    described = await running.does("describe", "pod", "p")
    assert f"{MOUNT} from kube-api-access-" in described
    assert "Projected (a volume that contains injected data from multiple sources)" in described
    assert "TokenExpirationSeconds:  3607" in described
    assert running.store.get(PODS, "p", "default")["spec"]["serviceAccountName"] == "default"


async def test_an_account_that_is_not_there_is_no_account(running: Plane) -> None:
    refused = await running.kubectl("create", "-f", "-", stdin=pod(serviceAccountName="robot"))
    assert refused.err == (
        'Error from server (Forbidden): error when creating "STDIN": pods "p" is forbidden: '
        'error looking up service account default/robot: serviceaccount "robot" not found\n'
    )


def test_no_token_where_none_is_wanted(running: Plane) -> None:
    running.admin.create(PODS, pod(automountServiceAccountToken=False))
    assert "volumes" not in running.store.get(PODS, "p", "default")["spec"]
    running.admin.delete(PODS, "p", "default")
    running.admin.patch(
        SERVICE_ACCOUNTS, "default", {"automountServiceAccountToken": False}, "default"
    )
    running.admin.create(PODS, pod())
    assert "volumes" not in running.store.get(PODS, "p", "default")["spec"]


def test_a_class_of_the_cluster_gives_its_priority_and_there_are_no_others(
    running: Plane,
) -> None:
    kept = running.admin.create(PODS, pod(priorityClassName="system-node-critical"))
    assert kept["spec"]["priority"] == 2_000_001_000
    running.admin.delete(PODS, "p", "default")
    with pytest.raises(StatusError, match="no PriorityClass with name low was found"):
        running.admin.create(PODS, pod(priorityClassName="low"))
