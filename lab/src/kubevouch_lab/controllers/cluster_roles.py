"""ClusterRoles that are made of others, by labels (`view`, `edit` and `admin` of a real cluster).

Source: pkg/controller/clusterroleaggregation/clusterroleaggregation_controller.go.
"""

from kubevouch.clock import Clock
from kubevouch_lab.apiserver.client import LocalClient
from kubevouch_lab.apiserver.kinds import CLUSTER_ROLES
from kubevouch_lab.apiserver.selectors import selected_by
from kubevouch_lab.apiserver.store import Store
from kubevouch_lab.controllers.loop import attempt, reconcile
from kubevouch_lab.objects import Object


class ClusterRoles:
    """Looks after changes of ClusterRoles."""

    def __init__(self, store: Store, client: LocalClient, clock: Clock) -> None:
        self._store = store
        self._client = client
        self._clock = clock

    async def run(self) -> None:
        """Until it is cancelled."""
        await reconcile(self._store, (CLUSTER_ROLES,), self.sync, clock=self._clock)

    def sync(self) -> None:
        """Every role with an aggregationRule, once."""
        roles = self._store.list(CLUSTER_ROLES)
        for role in roles:
            if role.get("aggregationRule"):
                attempt(lambda found=role: self._one(found, roles))  # type: ignore[misc]

    def _one(self, role: Object, roles: list[Object]) -> None:
        rules: list[Object] = []
        for selector in role["aggregationRule"].get("clusterRoleSelectors") or []:
            matches = selected_by(selector)
            for each in roles:
                if each is not role and matches(each):
                    rules += [rule for rule in each.get("rules") or [] if rule not in rules]
        if rules != (role.get("rules") or []):
            self._client.update(CLUSTER_ROLES, {**role, "rules": rules})
