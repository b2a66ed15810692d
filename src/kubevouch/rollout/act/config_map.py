"""Changes the kubelet-config ConfigMap, which configures nodes that join later. A run changes it last.

Only one value in `data` changes, and only if the ConfigMap is as planned. kubeadm's checksum
annotation then no longer matches, so kubeadm treats the object as the operator's own
(cmd/kubeadm/app/componentconfigs/checksums.go). The same patch adds an annotation with the run's
name. An undo of a run restores the old text only if that run wrote the new one: another run may plan the
same text.
"""

import re
from collections.abc import Callable

from kubevouch.evidence.gather.identity import KEY, NAMESPACE
from kubevouch.evidence.survey import RUN_NAME
from kubevouch.kube.decode import JSON
from kubevouch.kube.errors import Conflict, Forbidden, KubeError
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import CONFIG_MAPS, ConfigMap
from kubevouch.rollout.decide.assess import is_its_edit
from kubevouch.rollout.decide.plan import ConfigMapPlan
from kubevouch.rollout.decide.result import ConfigMapResult

WRITTEN_BY = "kubevouch.dev/run"
"""The annotation that names the run that changed the ConfigMap."""

_LOOK = "serverTLSBootstrap is true: check whether it should be"
_NOT_ITS_TEXT = "the plan changes more than serverTLSBootstrap: check the plan"


async def written_by(api: ApiClient, plan: ConfigMapPlan) -> str | None:
    """The run that wrote the planned text. Empty if unknown; None if the ConfigMap has another text.

    Raises KubeError.
    """
    found = await api.get(CONFIG_MAPS, plan.name, NAMESPACE)
    is_there = found.data.get(KEY) == plan.after
    return found.metadata.annotations.get(WRITTEN_BY, "") if is_there else None


async def write_config_map(api: ApiClient, plan: ConfigMapPlan, run: str) -> ConfigMapResult:
    """Writes the planned text if the ConfigMap still has the old text of the plan."""

    def written(found: ConfigMap) -> ConfigMapResult | str:
        if found.data.get(KEY) == plan.after:
            return ConfigMapResult(f"{_named(plan)} is already as planned")
        return plan.before

    return await _replace(api, plan, written, (plan.after, run), "updated")


async def undo_config_map(api: ApiClient, plan: ConfigMapPlan, run: str) -> ConfigMapResult:
    """Restores the old text if the ConfigMap still has the text that this run wrote.

    Leaves the text of another run. Fails if no annotation tells which run wrote the text. Also
    fails if the plan changes more than serverTLSBootstrap: somebody may have edited the plan.
    """
    if not is_its_edit(plan):
        said = f"{_named(plan)} stays as it is: {_NOT_ITS_TEXT}"
        return ConfigMapResult(said, failed=True, settled=True)

    def undone(found: ConfigMap) -> ConfigMapResult | str:
        text, by = found.data.get(KEY), found.metadata.annotations.get(WRITTEN_BY, "")
        if text == plan.before:
            return ConfigMapResult(f"{_named(plan)} already has its former text")
        if text == plan.after and found.uid == plan.uid and not by:
            why = f"no annotation {WRITTEN_BY} tells which run wrote the text; {_LOOK}"
            said = f"{_named(plan)} stays as it is: {why}"
            return ConfigMapResult(said, failed=True, settled=True)
        if text == plan.after and found.uid == plan.uid and by != run:
            other = f"; run {by} did" if re.fullmatch(RUN_NAME, by) else ""
            why = f"this run did not write the text{other}"
            return ConfigMapResult(f"{_named(plan)} stays as it is: {why}")
        return plan.after

    return await _replace(api, plan, undone, (plan.before, None), "restored")


def cut_off_at(plan: ConfigMapPlan | None) -> ConfigMapResult:
    """The result if a cancellation interrupted the read or write of the ConfigMap."""
    if plan is None:
        return ConfigMapResult()
    return ConfigMapResult(f"{_named(plan)}: interrupted; it may have been written", failed=True)


def _named(plan: ConfigMapPlan) -> str:
    return f"ConfigMap {plan.name}"


async def _replace(
    api: ApiClient,
    plan: ConfigMapPlan,
    judge: Callable[[ConfigMap], ConfigMapResult | str],
    new: tuple[str, str | None],
    done: str,
) -> ConfigMapResult:
    """Replaces the text. judge: returns the expected text, or a result if no write is needed.

    new: the new text, and the run for the annotation (None removes it).
    """
    try:
        found = await api.get(CONFIG_MAPS, plan.name, NAMESPACE)
        judged = judge(found)
        if isinstance(judged, ConfigMapResult):
            return judged
        if found.uid != plan.uid or found.data.get(KEY) != judged:
            why = "somebody else has changed or recreated the object"
            return ConfigMapResult(f"{_named(plan)}: {why}", failed=True, settled=True)
        version = found.metadata.resource_version
        text, run = new
        patch: dict[str, JSON] = {
            "data": {KEY: text},
            "metadata": {"annotations": {WRITTEN_BY: run}},
        }
        await api.patch(CONFIG_MAPS, plan.name, patch, NAMESPACE, resource_version=version)
    except Conflict:
        why = "somebody else changed the object at the same moment"
        return ConfigMapResult(f"{_named(plan)}: {why}", failed=True)
    except KubeError as error:
        return ConfigMapResult(str(error), failed=True, forbidden=isinstance(error, Forbidden))
    return ConfigMapResult(f"{_named(plan)} {done}", written=True)
