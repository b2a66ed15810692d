"""Deployments, and how many of which pods may be down at once."""

from msgspec import field

from kubevouch.kube.resources.meta import Condition, Metadata, Narrow, Object, Resource
from kubevouch.kube.resources.pods import PodSpec


class PodTemplate(Narrow, frozen=True, kw_only=True):
    """The template of a Deployment's pods."""

    metadata: Metadata = Metadata()
    spec: PodSpec = PodSpec()


class DeploymentSpec(Narrow, frozen=True, kw_only=True):
    """The spec of a Deployment. The default of `replicas` is 1 (apps/v1 defaults.go)."""

    replicas: int = 1
    template: PodTemplate = PodTemplate()


class DeploymentStatus(Narrow, frozen=True, kw_only=True):
    """The status of a Deployment: counts of pods."""

    replicas: int = 0
    ready_replicas: int = 0
    conditions: tuple[Condition, ...] = ()


class Deployment(Object, frozen=True, kw_only=True):
    """A Deployment."""

    spec: DeploymentSpec = DeploymentSpec()
    status: DeploymentStatus = DeploymentStatus()


DEPLOYMENTS = Resource("apps", "v1", "deployments", "Deployment", Deployment, namespaced=True)


class _Requirement(Narrow, frozen=True, kw_only=True):
    key: str = ""
    operator: str = ""
    values: tuple[str, ...] = ()

    def __str__(self) -> str:
        values = f"({','.join(self.values)})"
        return {
            "In": f"{self.key} in {values}",
            "NotIn": f"{self.key} notin {values}",
            "Exists": self.key,
            "DoesNotExist": f"!{self.key}",
        }.get(self.operator, "")


class LabelSelector(Narrow, frozen=True, kw_only=True):
    """A metav1.LabelSelector. As text it is the query parameter labelSelector; one that says nothing selects everything."""

    match_labels: dict[str, str] = field(default_factory=dict)
    match_expressions: tuple[_Requirement, ...] = ()

    def __str__(self) -> str:
        """In the form of the query parameter."""
        labels = (f"{key}={value}" for key, value in self.match_labels.items())
        return ",".join((*labels, *map(str, self.match_expressions)))


class DisruptionBudgetSpec(Narrow, frozen=True, kw_only=True):
    """The spec of a PodDisruptionBudget. Without a selector it is about no pod (policy/v1 types.go)."""

    selector: LabelSelector | None = None


class DisruptionBudgetStatus(Narrow, frozen=True, kw_only=True):
    """The status of a PodDisruptionBudget, which the controller-manager computes."""

    disruptions_allowed: int = 0
    current_healthy: int = 0
    expected_pods: int = 0


class PodDisruptionBudget(Object, frozen=True, kw_only=True):
    """A PodDisruptionBudget."""

    spec: DisruptionBudgetSpec = DisruptionBudgetSpec()
    status: DisruptionBudgetStatus = DisruptionBudgetStatus()


DISRUPTION_BUDGETS = Resource(
    "policy",
    "v1",
    "poddisruptionbudgets",
    "PodDisruptionBudget",
    PodDisruptionBudget,
    namespaced=True,
)
