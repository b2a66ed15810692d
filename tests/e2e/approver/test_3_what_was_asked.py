"""After all the other tests of this folder: what the approver has asked of the API server, by its audit log."""

from datetime import datetime

from .installed import InstalledApprover, granted


def test_nothing_was_asked_that_the_manifests_do_not_allow(
    approver: InstalledApprover, begun: datetime
) -> None:
    asked = approver.requests(begun)
    assert asked
    assert {(each.verb, each.what) for each in asked} <= granted(approver.cluster)
    assert not [each for each in asked if each.code in {401, 403}]
    assert set(approver.approvals(begun).values()) == {1}
