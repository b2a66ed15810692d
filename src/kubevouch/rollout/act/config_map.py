"""The kubelet-config ConfigMap: how the next joiner's kubelet starts. The last thing that a run changes.

Only the one value in `data` is touched, and only at the version that was planned: kubeadm's checksum annotation then
no longer fits, which is what marks the object as the operator's own (cmd/kubeadm/app/componentconfigs/checksums.go).
"""

from dataclasses import dataclass

from kubevouch.evidence.gather.kubelet_config import KEY, NAMESPACE
from kubevouch.kube.errors import Conflict, KubeError
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import CONFIG_MAPS
from kubevouch.rollout.decide.plan import ConfigMapPlan


@dataclass(frozen=True)
class ConfigMapResult:
    """The result for the ConfigMap, in words for a person. failed: it is not as planned."""

    text: str
    failed: bool = False


async def is_written(api: ApiClient, plan: ConfigMapPlan) -> bool:
    """Whether the planned text stands there already. Raises KubeError."""
    found = await api.get(CONFIG_MAPS, plan.name, NAMESPACE)
    return found.data.get(KEY) == plan.after


async def write_config_map(api: ApiClient, plan: ConfigMapPlan) -> ConfigMapResult:
    """Writes the planned text if the ConfigMap still has the old text of the plan."""
    return await _replace(api, plan, plan.before, plan.after, ("updated", "is as planned already"))


async def undo_config_map(api: ApiClient, plan: ConfigMapPlan) -> ConfigMapResult:
    """Restores the old text if the ConfigMap still has ours."""
    return await _replace(
        api, plan, plan.after, plan.before, ("put back", "is as it was before the run")
    )


async def _replace(
    api: ApiClient, plan: ConfigMapPlan, old: str, new: str, words: tuple[str, str]
) -> ConfigMapResult:
    what = f"ConfigMap {plan.name}"
    done, already = words
    try:
        found = await api.get(CONFIG_MAPS, plan.name, NAMESPACE)
        if found.data.get(KEY) == new:
            return ConfigMapResult(f"{what} {already}")
        if found.uid != plan.uid or found.data.get(KEY) != old:
            why = "has been changed by somebody else; it is left as it is"
            return ConfigMapResult(f"{what} {why}", failed=True)
        version = found.metadata.resource_version
        patch = {"data": {KEY: new}}
        await api.patch(CONFIG_MAPS, plan.name, patch, NAMESPACE, resource_version=version)
    except Conflict:
        why = "was changed at the same moment; it is left as it is"
        return ConfigMapResult(f"{what} {why}", failed=True)
    except KubeError as error:
        return ConfigMapResult(str(error), failed=True)
    return ConfigMapResult(f"{what} {done}")
