"""Somebody's approver of serving requests: approves whatever comes, and denies what certain nodes ask for.

Far laxer than ours. It stands for what runs on clusters, so that a lab can have one.
"""

from collections.abc import Callable
from typing import Any

from kubevouch.clock import Clock
from kubevouch_lab.apiserver.client import LocalClient
from kubevouch_lab.apiserver.kinds import CSRS
from kubevouch_lab.apiserver.metadata import moment
from kubevouch_lab.apiserver.request import AUTHENTICATED, UserInfo
from kubevouch_lab.apiserver.status import StatusError
from kubevouch_lab.apiserver.store import Store
from kubevouch_lab.cluster.active_faults import ActiveFaults
from kubevouch_lab.controllers.loop import reconcile
from kubevouch_lab.objects import status_of

SERVING = "kubernetes.io/kubelet-serving"
ACCOUNT = UserInfo(
    "system:serviceaccount:kube-system:kubelet-csr-approver",
    groups=("system:serviceaccounts", "system:serviceaccounts:kube-system", AUTHENTICATED),
)
_NODE = "system:node:"


class SiteApprover:
    """active_faults: asked at each look whether it runs, and whom it dislikes."""

    def __init__(
        self,
        store: Store,
        client: LocalClient,
        clock: Clock,
        active_faults: Callable[[], ActiveFaults],
    ) -> None:
        self._store = store
        self._client = client
        self._clock = clock
        self._active_faults = active_faults

    async def run(self) -> None:
        """Until it is cancelled."""
        await reconcile(self._store, (CSRS,), self.look, clock=self._clock)

    def look(self) -> None:
        """Decides what waits."""
        active_faults = self._active_faults()
        if not active_faults.approves:
            return
        for request in self._client.list(CSRS, fields=f"spec.signerName={SERVING}"):
            if status_of(request).get("conditions"):
                continue
            node = str(request["spec"].get("username", "")).removeprefix(_NODE)
            self._decide(request, denied=node in active_faults.denies)

    def _decide(self, request: dict[str, Any], *, denied: bool) -> None:
        reason, message = (
            ("NameNotInInventory", "the name does not match")
            if denied
            else ("AutoApproved", "kubelet-csr-approver: all checks passed")
        )
        made = {
            "type": "Denied" if denied else "Approved",
            "status": "True",
            "reason": reason,
            "message": message,
            "lastUpdateTime": moment(self._clock.now()),
        }
        changed = {**request, "status": {**request.get("status", {}), "conditions": [made]}}
        try:
            self._client.update(CSRS, changed, "approval")
        except StatusError as error:
            if error.code not in {404, 409}:
                raise
