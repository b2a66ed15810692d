"""What a survey says about a machine: its node, what its kubelet's next start will do, which run is armed on it."""

import re
from collections.abc import Collection, Iterable

from kubevouch.evidence.survey import NodeSurvey, SurveyedRun
from kubevouch.kube.resources import Node
from kubevouch.kubelet.configuration import read_configuration
from kubevouch.kubelet.effective import EffectiveConfiguration, drop_in_order, effective
from kubevouch.kubelet.flags import read_flags
from kubevouch.policy.claims import as_address
from kubevouch.x509 import X509Error, node_name_of, read_certificates

_WHOLE_SECONDS = 2
"""Times of files, and the node's clock as the survey reads it, are cut to whole seconds."""


def not_the_machine(survey: NodeSurvey, node: str, machine_id: str) -> str:
    """Why this machine is not that node's; empty if it is."""
    found = survey.machine_id.decode(errors="replace").strip()
    if not machine_id or found != machine_id:
        return f"this machine's id is {found}, the Node's is {machine_id}"
    try:
        holder = node_name_of(read_certificates(survey.identity.pem, "its client certificate")[0])
    except X509Error as error:
        return str(error)
    return "" if holder == node else f"its kubelet's client certificate is {holder}'s"


def not_bound_by_operator(
    node: str, host: str, known_as: str, said: Collection[str], nodes: Iterable[Node]
) -> str:
    """Why the operator's own words do not lead from this node to the machine at `host`; empty if they do.

    The machine's own words are not enough: root on any machine writes its machine-id, and a client certificate of any
    node's name can be had with a bootstrap token. The operator's words are the ssh configuration and known_hosts, if ssh
    was asked for the node's name; or that they give the address that ssh was asked for to this node (`said`).

    known_as: the name under which known_hosts has the key; empty where there is no ssh. nodes: live.
    """
    address = as_address(host)
    words = {as_address(value) or value for value in said}
    if host != node and (address is None or address not in words):
        return (
            f"ssh reaches it at {host} only, and that {host} is {node} is the node's own word; "
            f"if it is so: --allow {node}={host}"
        )
    if owner := _known_for_another(node, known_as, nodes):
        return f"known_hosts has the key that answered for {known_as}, which is {owner}'s"
    return ""


def _known_for_another(node: str, known_as: str, nodes: Iterable[Node]) -> str:
    """The other Node whose name or address `known_as` is; empty if none. An address that this node has, too, is no sign."""
    bare = re.sub(r"^\[(.*)\]:\d+$", r"\1", known_as)
    has = {
        each.name: {as_address(claim.address) for claim in each.status.addresses} for each in nodes
    }
    address = as_address(bare)
    for other in sorted(has.keys() - {node}):
        if bare.lower() == other.lower():
            return other
        if address is not None and address in has[other] - has.get(node, set()):
            return other
    return ""


def next_start(survey: NodeSurvey, content: bytes | None = None) -> EffectiveConfiguration:
    """What the kubelet's next start makes of its file, drop-ins and flags.

    content: what its file would hold in place of what it holds.

    Raises:
        ConfigurationError: a file that the kubelet would not take, or that cannot be read.
    """
    config = survey.config[0]
    by_path = {each.text_path: each for each in survey.drop_ins}
    drop_ins = [
        read_configuration(by_path[path].content, path, drop_in=True)
        for path in drop_in_order(by_path)
    ]
    file = read_configuration(config.content if content is None else content, config.text_path)
    return effective(file, drop_ins, read_flags(survey.words))


def restart_pending(survey: NodeSurvey) -> bool:
    """The kubelet's file was written after the kubelet had started: what it does is not what the file says."""
    if not survey.config or not survey.unit.age:
        return False
    started = survey.clock - survey.unit.age
    return survey.config[0].modified > started + _WHOLE_SECONDS


def state_of_run(survey: NodeSurvey, run: str) -> str:
    """armed, committed, undone, barred or unfinished, as that run's folder on the node says; empty where it has none.

    barred: it was undone before it began there, and must not begin any more.
    """
    return next((each.state.decode() for each in survey.runs if each.run == run.encode()), "")


def armed_runs(survey: NodeSurvey) -> tuple[SurveyedRun, ...]:
    """Runs that have changed this node and have not been proven: a dead-man's switch may still put the node back."""
    return tuple(each for each in survey.runs if each.state == b"armed")


def said_of_switch(survey: NodeSurvey, run: SurveyedRun) -> str:
    """When the switch of an armed run puts its node back, for a person."""
    if not run.fires:
        return "its dead-man's switch puts it back in time"
    left = run.fires - survey.clock
    if left < 0:
        return f"its dead-man's switch was due {-left} s ago and has not put it back"
    return f"its dead-man's switch puts it back in {left} s"
