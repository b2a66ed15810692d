"""What a survey says about a machine: its node, what its kubelet's next start will do, which run is armed on it."""

from kubevouch.evidence.survey import NodeSurvey, SurveyedRun
from kubevouch.kubelet.configuration import read_configuration
from kubevouch.kubelet.effective import EffectiveConfiguration, drop_in_order, effective
from kubevouch.kubelet.flags import read_flags
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
    """armed, committed, undone or unfinished, as that run's folder on the node says; empty where it has none."""
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
