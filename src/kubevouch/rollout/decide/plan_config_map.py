"""What the plan does with the kubelet-config ConfigMap. Pure."""

from collections.abc import Sequence

from kubevouch.diagnose.make import counted
from kubevouch.evidence.measured import Measured
from kubevouch.evidence.snapshot import KubeletConfigMap
from kubevouch.kube.resources import Node
from kubevouch.kubelet.splice import Refusal, set_server_tls_bootstrap
from kubevouch.rollout.decide.plan import ConfigMapPlan, LeftOut, NodePlan

_JOINERS = "later joiners will ask for their certificates, and need somebody who approves them"


def plan_config_map(
    known: Measured[KubeletConfigMap],
    planned: Sequence[NodePlan],
    left_out: Sequence[LeftOut],
    nodes: Sequence[Node],
) -> tuple[ConfigMapPlan | None, str]:
    """The change, if there is to be one, and a note for a person. nodes: all of the cluster."""
    if known.value is None:
        return (
            None,
            known.doubt.text if known.doubt else "there is none: kubeadm did not make this cluster",
        )
    if known.value.bootstrap:
        return None, "has serverTLSBootstrap: true already"
    named = {each.node for each in planned} | {each.node for each in left_out}
    absent = [node.name for node in nodes if node.name not in named]
    if absent:
        return None, f"not in this plan, which does not look at {counted(len(absent), 'node')}"
    unwell = [each.node for each in left_out if not each.is_well]
    if unwell:
        return None, f"not in this plan, which leaves out {counted(len(unwell), 'node')}"
    found = known.value
    name = found.object.name
    edit = set_server_tls_bootstrap(found.text.encode())
    if isinstance(edit, Refusal):
        return None, f"cannot be edited: {edit}"
    change = ConfigMapPlan(
        name=name,
        uid=found.object.uid,
        resource_version=found.object.metadata.resource_version,
        before=found.text,
        after=edit.after.decode(),
        diff=edit.diff(f"/ConfigMap/{name}"),
    )
    return change, _JOINERS


def is_its_edit(plan: ConfigMapPlan) -> bool:
    """The planned text is the old one with the one key set, and nothing else: the plan is a file, and may say anything."""
    edit = set_server_tls_bootstrap(plan.before.encode())
    return not isinstance(edit, Refusal) and edit.after.decode() == plan.after
