"""Turns a planned node and its survey into a change for the transaction script. Pure."""

from kubevouch.evidence.survey import NodeSurvey
from kubevouch.kubelet.flags import ROOT_DIR
from kubevouch.kubelet.splice import changed_line
from kubevouch.node.script import node_text
from kubevouch.rollout.decide.machine import asks_anyhow
from kubevouch.rollout.decide.plan import NodePlan
from kubevouch.rollout.decide.seed import former_until
from kubevouch.rollout.decide.transaction import NodeChange

_SWITCH_OF_AN_UNDO = 120
"""Seconds. An undo on a node takes some ten."""


def change_of(
    node: NodePlan, survey: NodeSurvey, run: str, *, content: bytes, switch_seconds: int
) -> NodeChange:
    """The change for the script. content: the whole new config.yaml, whose digest is in the plan."""
    present = survey.config[0].content if survey.config else b""
    return NodeChange(
        run=run,
        node=node.node,
        machine_id=node.machine_id,
        identity_path=survey.identity.path.decode(errors="replace"),
        root=node.root,
        pki=node.pki,
        config=node.config,
        config_sha256=node.config_sha256,
        content=content,
        content_sha256=node.content_sha256,
        switch_seconds=switch_seconds,
        boot_unit=not (node.no_boot_unit and survey.no_boot_unit),
        line=changed_line(present, content),
        asks_anyhow=asks_anyhow(survey),
        former_until=former_until(survey),
    )


def change_to_undo(node: NodePlan, survey: NodeSurvey, run: str) -> NodeChange:
    """The change for an undo, which writes what the run's own record holds. Its switch is for an undo that is cut off."""
    return change_of(node, survey, run, content=b"", switch_seconds=_SWITCH_OF_AN_UNDO)


def untrusted_root(node: NodePlan, survey: NodeSurvey) -> str:
    """Why an undo does not write into the plan's folder as root; empty if it may.

    The folder is the one that the running kubelet uses. Without a kubelet that can be believed it is the kubelet's default,
    since a plan can be edited, and a container may have filled any other folder. Which pki folder and which config.yaml
    are meant stands in the run's own record there (transaction.sh, recorded).
    """
    if survey.unsafe:
        return f"{node_text(survey.unsafe)}: what root runs and writes there must be root's alone"
    if survey.no_kubelet:
        if node.root == ROOT_DIR:
            return ""
        return (
            f"it cannot be told whether {node.root}, as the plan says, is the kubelet's folder: "
            f"{node_text(survey.no_kubelet)}, and without a kubelet only {ROOT_DIR} is believed; "
            "start kubelet.service, then undo again"
        )
    found = survey.root[0].text_path if survey.root else "not known"
    if found == node.root:
        return ""
    return f"the kubelet's folder is {found}, and was {node.root} in the plan: what this run left there cannot be seen"
