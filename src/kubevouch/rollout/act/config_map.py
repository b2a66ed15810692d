"""The kubelet-config ConfigMap: how the next joiner's kubelet starts. The last thing that a run changes.

Only the one value in `data` is touched, and only at the version that was planned: kubeadm's checksum annotation then
no longer fits, which is what marks the object as the operator's own (cmd/kubeadm/app/componentconfigs/checksums.go).
In the same patch an annotation says which run it was, since another may have planned the very same text: an undo takes back
what its own run has written.
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
"""The annotation with the run that has written the text."""

_LOOK = "it has serverTLSBootstrap: true: look at it yourself"
_NOT_ITS_TEXT = (
    "what the plan would put back is not the text that the run has replaced, which differs from the planned one in "
    "serverTLSBootstrap only: look at it yourself"
)


async def written_by(api: ApiClient, plan: ConfigMapPlan) -> str | None:
    """The run that wrote the planned text, as far as can be read; None if another text stands there. Raises KubeError."""
    found = await api.get(CONFIG_MAPS, plan.name, NAMESPACE)
    is_there = found.data.get(KEY) == plan.after
    return found.metadata.annotations.get(WRITTEN_BY, "") if is_there else None


async def write_config_map(api: ApiClient, plan: ConfigMapPlan, run: str) -> ConfigMapResult:
    """Writes the planned text if the ConfigMap still has the old text of the plan."""

    def written(found: ConfigMap) -> ConfigMapResult | str:
        if found.data.get(KEY) == plan.after:
            return ConfigMapResult(f"{_named(plan)} is as planned already")
        return plan.before

    return await _replace(api, plan, written, (plan.after, run), "updated")


async def undo_config_map(api: ApiClient, plan: ConfigMapPlan, run: str) -> ConfigMapResult:
    """Restores the old text if the ConfigMap still has ours, and it was this run that wrote it.

    Our text without the annotation may be this run's all the same, as anybody can take an annotation away: then the ConfigMap
    does not count as being as it was before. The old text comes from the plan, which is a file that anybody may have written:
    only one of which the run would have made ours is believed.
    """
    if not is_its_edit(plan):
        said = f"{_named(plan)} is left as it is: {_NOT_ITS_TEXT}"
        return ConfigMapResult(said, failed=True, settled=True)

    def undone(found: ConfigMap) -> ConfigMapResult | str:
        text, by = found.data.get(KEY), found.metadata.annotations.get(WRITTEN_BY, "")
        if text == plan.before:
            return ConfigMapResult(f"{_named(plan)} is as it was before the run")
        if text == plan.after and found.uid == plan.uid and not by:
            why = f"whether this run wrote it cannot be told, as it has no annotation {WRITTEN_BY}; {_LOOK}"
            said = f"{_named(plan)} is left as it is: {why}"
            return ConfigMapResult(said, failed=True, settled=True)
        if text == plan.after and found.uid == plan.uid and by != run:
            other = f", but run {by}" if re.fullmatch(RUN_NAME, by) else ""
            why = f"it was not this run that wrote it{other}"
            return ConfigMapResult(f"{_named(plan)} is left as it is: {why}")
        return plan.after

    return await _replace(api, plan, undone, (plan.before, None), "put back")


def cut_off_at(plan: ConfigMapPlan | None) -> ConfigMapResult:
    """The result where a cancellation came while it was looked at, or written."""
    if plan is None:
        return ConfigMapResult()
    return ConfigMapResult(
        f"{_named(plan)}: stopped at once; whether it was written is not known", failed=True
    )


def _named(plan: ConfigMapPlan) -> str:
    return f"ConfigMap {plan.name}"


async def _replace(
    api: ApiClient,
    plan: ConfigMapPlan,
    judge: Callable[[ConfigMap], ConfigMapResult | str],
    new: tuple[str, str | None],
    done: str,
) -> ConfigMapResult:
    """judge: the result where nothing is to be written, else the text that must stand there. new: the text, and by which run."""
    try:
        found = await api.get(CONFIG_MAPS, plan.name, NAMESPACE)
        judged = judge(found)
        if isinstance(judged, ConfigMapResult):
            return judged
        if found.uid != plan.uid or found.data.get(KEY) != judged:
            why = "has been changed by somebody else; it is left as it is"
            return ConfigMapResult(f"{_named(plan)} {why}", failed=True, settled=True)
        version = found.metadata.resource_version
        text, run = new
        patch: dict[str, JSON] = {
            "data": {KEY: text},
            "metadata": {"annotations": {WRITTEN_BY: run}},
        }
        await api.patch(CONFIG_MAPS, plan.name, patch, NAMESPACE, resource_version=version)
    except Conflict:
        why = "was changed at the same moment; it is left as it is"
        return ConfigMapResult(f"{_named(plan)} {why}", failed=True)
    except KubeError as error:
        return ConfigMapResult(str(error), failed=True, forbidden=isinstance(error, Forbidden))
    return ConfigMapResult(f"{_named(plan)} {done}", written=True)
