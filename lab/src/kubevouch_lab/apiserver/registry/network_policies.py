"""NetworkPolicies: pkg/apis/networking/v1/defaults.go. Nothing in the lab enforces them."""

from datetime import datetime

from kubevouch_lab.apiserver.kinds import Kind
from kubevouch_lab.apiserver.registry.fields import below, default, items
from kubevouch_lab.apiserver.registry.strategy import Strategy
from kubevouch_lab.apiserver.request import RequestInfo
from kubevouch_lab.objects import Object


class NetworkPolicies(Strategy):
    """Protocols and policy types are filled in."""

    def create(self, kind: Kind, info: RequestInfo, new: Object, now: datetime) -> Object:
        """A policy with egress rules is about egress, too."""
        return _defaulted(super().create(kind, info, new, now))

    def main(self, kind: Kind, old: Object, new: Object) -> Object:
        """The same."""
        return super().main(kind, old, _defaulted(new))


def _defaulted(new: Object) -> Object:
    spec = below(new, "spec")
    types = ["Ingress", *(["Egress"] if spec.get("egress") else [])]
    if not spec.get("policyTypes"):
        spec["policyTypes"] = types
    for rule in (*items(spec, "ingress"), *items(spec, "egress")):
        for port in items(rule, "ports"):
            default(port, protocol="TCP")
    return new
