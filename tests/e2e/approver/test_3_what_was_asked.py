"""After all the other tests of this folder: what the approver has asked of the API server, by its audit log."""

from datetime import datetime

import pytest

from .installed import GRANTED, NAMESPACE, USER, InstalledApprover


@pytest.mark.as_the_version_is
def test_nothing_was_asked_that_the_manifests_do_not_allow(
    approver: InstalledApprover, begun: datetime
) -> None:
    asked = approver.requests(begun)
    assert asked
    assert {(each.verb, each.what) for each in asked} <= GRANTED
    assert not [each for each in asked if each.code in {401, 403}]
    assert set(approver.approvals(begun).values()) == {1}


def test_a_wrong_right_is_not_given(approver: InstalledApprover) -> None:
    """What an approver has no business with, asked as its account."""
    for words in (
        ("get", "secrets", "-A"),
        ("patch", "configmaps/kubevouch-pins-1", "-n", NAMESPACE),
        ("create", "configmaps", "-n", NAMESPACE),
        ("patch", "nodes"),
        ("create", "certificatesigningrequests"),
        ("delete", "certificatesigningrequests"),
        ("update", "certificatesigningrequests", "--subresource=status"),
        ("approve", "signers.certificates.k8s.io/kubernetes.io/kube-apiserver-client"),
        ("sign", "signers.certificates.k8s.io/kubernetes.io/kubelet-serving"),
        ("get", "nodes", "--subresource=proxy"),
    ):
        ran = approver.cluster.kubectl("auth", "can-i", *words, f"--as={USER}", check=False)
        assert ran.stdout.strip() == "no", (words, ran.stdout, ran.stderr)
