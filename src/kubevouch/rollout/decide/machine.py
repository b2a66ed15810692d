"""What a survey says about a machine: its node, what its kubelet's next start will do, which run is armed on it."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

from kubevouch.evidence.survey import NodeSurvey, SurveyedRun
from kubevouch.kubelet.configuration import (
    API_VERSION,
    KIND,
    ConfigurationFile,
    configuration_of,
    read_configuration,
)
from kubevouch.kubelet.document import LARGEST, ConfigDocument, read_document
from kubevouch.kubelet.effective import EffectiveConfiguration, drop_in_order, effective
from kubevouch.kubelet.errors import ConfigurationError
from kubevouch.kubelet.flags import read_flags
from kubevouch.node.script import node_text
from kubevouch.policy.claims import as_address
from kubevouch.policy.node_index import NodeIndex
from kubevouch.x509 import X509Error, node_name_of, read_certificates

_EMPTY_FILE = f"apiVersion: {API_VERSION}\nkind: {KIND}\n".encode()
_WHOLE_SECONDS = 2
"""Times of files, and the node's clock as the survey reads it, are cut to whole seconds."""


def not_the_machine(survey: NodeSurvey, node: str, machine_id: str) -> str:
    """Why this machine is not that node's; empty if it is."""
    if why := not_its_machine_id(survey.machine_id, machine_id):
        return why
    try:
        holder = node_name_of(read_certificates(survey.identity.pem, "its client certificate")[0])
    except X509Error as error:
        return str(error)
    return "" if holder == node else f"its kubelet's client certificate is {holder}'s"


def another_host_key(planned: str, seen: str | None) -> tuple[str, str] | None:
    """What was seen and what would be right, if another ssh host key answered than the plan has; else None.

    planned: empty where any will do. seen: None where the transport shows none.
    """
    if not planned or seen == planned:
        return None
    return (
        f"another ssh host key answers: {seen or 'none that ssh shows'}",
        f"{planned} is the plan's; if you know that this machine has another one now, put that in its place in the plan",
    )


def not_its_machine_id(seen: bytes, machine_id: str) -> str:
    """Why what a machine shows as its id is not the Node's; empty if it is."""
    found = node_text(seen)
    if machine_id and found == machine_id:
        return ""
    return f"this machine's id is {found}, the Node's is {machine_id}"


def not_bound_by_operator(
    node: str, host: str, known_as: str, said: Collection[str], nodes: NodeIndex
) -> str:
    """Why the operator's own words do not lead from this node to the machine at `host`; empty if they do.

    The machine's own words are not enough: root on any machine writes its machine-id, and a client certificate of any
    node's name can be had with a bootstrap token. The operator's words are the ssh configuration and known_hosts, if ssh
    was asked for the node's name; or that they give the address that ssh was asked for to this node (`said`).

    known_as: the name under which known_hosts has the key; empty where there is no ssh. nodes: live.
    """
    if why := not_vouched_for(node, host, said):
        return why
    if owner := _known_for_another(node, known_as, nodes):
        return f"known_hosts has the key that answered for {known_as}, which is {owner}'s"
    return ""


def not_vouched_for(node: str, host: str, said: Collection[str]) -> str:
    """Why nobody but the node itself says that it is at `host`; empty if the operator does."""
    address = as_address(host)
    words = {as_address(value) or value for value in said}
    if host == node or (address is not None and address in words):
        return ""
    return (
        f"ssh reaches it at {host} only, and that {host} is {node} is the node's own word; "
        f"if it is so: --allow {node}={host}"
    )


def _known_for_another(node: str, known_as: str, nodes: NodeIndex) -> str:
    """The other Node whose name or address `known_as` is; empty if none. An address that this node has, too, is no sign."""
    bare = re.sub(r"^\[(.*)\]:\d+$", r"\1", known_as)
    address = as_address(bare)
    claimants = nodes.claimants(address) if address is not None else frozenset()
    others = {*nodes.called(bare), *(claimants if node not in claimants else ())}
    return min(others - {node, ""}, default="")


@dataclass(frozen=True)
class StartFiles:
    """The file, the drop-ins and the flags by which a surveyed kubelet starts next. Each text is read once, when it is first asked for.

    A document is ten times as large as its text: this is kept for one node, and not for all of a fleet.
    """

    survey: NodeSurvey

    @cached_property
    def document(self) -> ConfigDocument:
        """The kubelet's own file. To be asked for only where the survey has one."""
        return read_document(self.survey.config[0].content)

    @cached_property
    def next_start(self) -> EffectiveConfiguration:
        """What the next start makes of them. Raises as `next_start_with` does."""
        return self.next_start_with(self.document)

    def next_start_with(self, document: ConfigDocument) -> EffectiveConfiguration:
        """What the next start would make of them, were this the kubelet's own file.

        Raises:
            ConfigurationError: a file that the kubelet would not take, or that cannot be read.
        """
        file = configuration_of(document, self.survey.config[0].text_path)
        return effective(file, self._drop_ins, read_flags(self.survey.words))

    @property
    def cluster_domain(self) -> str:
        """The cluster's DNS domain as they have it; empty where they have none, or cannot be read."""
        try:
            return self.next_start.configuration.cluster_domain if self.survey.config else ""
        except ConfigurationError:
            return ""

    @cached_property
    def _drop_ins(self) -> tuple[ConfigurationFile, ...]:
        by_path = {each.text_path: each for each in self.survey.drop_ins}
        size = sum(len(each.content) for each in (*self.survey.config, *self.survey.drop_ins))
        if by_path and size > LARGEST:  # while they are read, nothing is done for any other node
            seen = f"{size} bytes with its drop-ins; no more than {LARGEST} are read"
            raise ConfigurationError(self.survey.config[0].text_path, seen)
        return tuple(
            read_configuration(by_path[path].content, path, drop_in=True)
            for path in drop_in_order(by_path)
        )


def asks_anyhow(survey: NodeSurvey) -> bool:
    """Whether serverTLSBootstrap is on by something else than the kubelet's file: a drop-in, a flag.

    False where its files cannot be read: an undo then goes by the file alone.
    """
    try:
        empty = read_document(_EMPTY_FILE)
        found = StartFiles(survey).next_start_with(empty) if survey.config else None
    except ConfigurationError:
        return False
    return found is not None and found.configuration.server_tls_bootstrap


def restart_pending(survey: NodeSurvey, started_with: str = "") -> bool:
    """The kubelet's file was written after the kubelet had started: what it does is perhaps not what the file says.

    started_with: the digest of the content with which it is known to have started. The same content, written again, changes nothing.
    """
    if not survey.config or survey.config[0].sha256 == started_with:
        return False
    return was_since_the_start(survey, survey.config[0].modified)


def has_restarted(state: str) -> bool:
    """Whether a run in that state has restarted the kubelet with the file that it wrote, by its own record."""
    return state in ("restarted", "verified", "committed")


def was_since_the_start(survey: NodeSurvey, moment: int) -> bool:
    """Whether the moment lies between the start of the kubelet's process and the survey, by the node's clock.

    A time in the future says nothing: no restart would ever be after it.
    """
    if not survey.unit.age:
        return False
    started = survey.clock - survey.unit.age
    return started + _WHOLE_SECONDS < moment <= survey.clock + _WHOLE_SECONDS


def state_of_run(survey: NodeSurvey, run: str) -> str:
    """The state in which that run's folder on the node is (run_state.sh); empty where it has none.

    barred: it was undone before it began there, and must not begin any more. unfinished: cut off before it was prepared.
    """
    states = (each.state for each in survey.runs if each.run == run.encode())
    return next(states, b"").decode(errors="replace")


def armed_runs(survey: NodeSurvey) -> tuple[SurveyedRun, ...]:
    """Runs that have begun on this node and have not ended: a dead-man's switch stands, and ends them."""
    return tuple(each for each in survey.runs if each.is_armed)


def said_of_armed(survey: NodeSurvey, run: SurveyedRun) -> str:
    """What a run that is armed has done, and when its switch ends it, for a person."""
    name = run.run.decode(errors="replace")
    done, ends, ended = (
        ("has changed it and was proven, and is not committed", "commits it", "committed it")
        if run.state == b"verified"
        else ("has changed it and has not been proven", "puts it back", "put it back")
    )
    at = f"{datetime.fromtimestamp(run.fires, UTC):%Y-%m-%d %H:%M:%S} UTC by its clock"
    when = f"{ends} at {at}"  # no "in 140 s": a plan is read later than it was made
    if not run.fires:
        when = f"{ends} in time"
    elif run.fires < survey.clock:
        when = f"was due at {at} and has not {ended}"
    return f"run {name} {done}: its dead-man's switch {when}"
