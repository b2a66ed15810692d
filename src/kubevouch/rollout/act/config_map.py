"""The kubelet-config ConfigMap: how the next joiner's kubelet starts. The last thing that a run changes.

Only the one value in `data` is touched, and only at the version that was planned: kubeadm's checksum annotation then
no longer fits, which is what marks the object as the operator's own (cmd/kubeadm/app/componentconfigs/checksums.go).
"""

from kubevouch.evidence.gather.kubelet_config import KEY, NAMESPACE
from kubevouch.kube.errors import Conflict, KubeError
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import CONFIG_MAPS
from kubevouch.rollout.decide.plan import ConfigMapPlan


async def write_config_map(api: ApiClient, plan: ConfigMapPlan) -> str:
    """Writes the planned text where the planned old one stands. Returns what came of it; empty if all went well."""
    return await _replace(api, plan, plan.before, plan.after)


async def undo_config_map(api: ApiClient, plan: ConfigMapPlan) -> str:
    """Puts the old text back where ours stands. Returns what came of it; empty if all went well."""
    return await _replace(api, plan, plan.after, plan.before)


async def _replace(api: ApiClient, plan: ConfigMapPlan, old: str, new: str) -> str:
    try:
        found = await api.get(CONFIG_MAPS, plan.name, NAMESPACE)
        if found.data.get(KEY) == new:
            return ""
        if found.uid != plan.uid or found.data.get(KEY) != old:
            return f"ConfigMap {plan.name} has been changed by somebody else; it is left as it is"
        version = found.metadata.resource_version
        patch = {"data": {KEY: new}}
        await api.patch(CONFIG_MAPS, plan.name, patch, NAMESPACE, resource_version=version)
    except Conflict:
        return f"ConfigMap {plan.name} was changed at the same moment; it is left as it is"
    except KubeError as error:
        return str(error)
    return ""
