"""What a survey shows about a machine: its node, the kubelet's next start, and the armed runs."""

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
"""Tolerance in seconds: the survey truncates file times and the node's clock to whole seconds."""


def not_the_machine(survey: NodeSurvey, node: str, machine_id: str) -> str:
    """Why the surveyed machine is not the machine of this node; empty if it is."""
    if why := not_its_machine_id(survey.machine_id, machine_id):
        return why
    try:
        holder = node_name_of(read_certificates(survey.identity.pem, "the client certificate")[0])
    except X509Error as error:
        return str(error)
    return "" if holder == node else f"the kubelet's client certificate is for {holder}"


def another_host_key(planned: str, seen: str) -> tuple[str, str] | None:
    """Messages about the seen and the expected ssh host key. None if they are equal, or if `planned` is empty."""
    if not planned or seen == planned:
        return None
    return (
        f"another ssh host key: {seen or 'ssh shows none'}",
        f"expected {planned}, as in the plan; if the machine really has a new key, put it into the plan",
    )


def not_its_machine_id(seen: bytes, machine_id: str) -> str:
    """Why the machine-id is not the Node's; empty if it is."""
    found = node_text(seen)
    if machine_id and found == machine_id:
        return ""
    return f"the machine-id is {found}, but the Node's is {machine_id}"


def not_bound_by_operator(
    node: str, host: str, known_as: str, said: Collection[str], nodes: NodeIndex
) -> str:
    """Why the operator has not confirmed that `host` is this node's machine; empty if they have.

    The survey is not enough: root on any machine can write its machine-id, and the holder of a
    bootstrap token can get a client certificate for any node's name. If ssh reached the node by
    name, the operator's ssh configuration and known_hosts confirm the machine. If ssh reached it by
    an address, the operator must have assigned the address to this node (`said`).

    known_as: the name of the host key in known_hosts; empty without ssh. nodes: the current Nodes.
    """
    if why := not_vouched_for(node, host, said):
        return why
    if owner := _known_for_another(node, known_as, nodes):
        return f"known_hosts lists the node's host key under {known_as}, which belongs to {owner}"
    return ""


def not_vouched_for(node: str, host: str, said: Collection[str]) -> str:
    """A message if only the node claims `host`; empty if the operator confirms it."""
    address = as_address(host)
    words = {as_address(value) or value for value in said}
    if host == node or (address is not None and address in words):
        return ""
    return (
        f"ssh reaches the node only at {host}, and only the node itself claims {host}; if "
        f"the address is right, allow it: --allow {node}={host}"
    )


def _known_for_another(node: str, known_as: str, nodes: NodeIndex) -> str:
    """Another Node whose name or address is `known_as`. Empty if no other Node has it, or if this node has the address, too."""
    bare = re.sub(r"^\[(.*)\]:\d+$", r"\1", known_as)
    address = as_address(bare)
    claimants = nodes.claimants(address) if address is not None else frozenset()
    others = {*nodes.called(bare), *(claimants if node not in claimants else ())}
    return min(others - {node, ""}, default="")


@dataclass(frozen=True)
class StartFiles:
    """The config file, drop-ins and flags with which the kubelet will start next, from the survey.

    Do not keep this for a whole fleet: a parsed document is ten times as large as its text.
    """

    survey: NodeSurvey

    @cached_property
    def document(self) -> ConfigDocument:
        """The kubelet's config file, parsed. The survey must have one."""
        return read_document(self.survey.config[0].content)

    @cached_property
    def next_start(self) -> EffectiveConfiguration:
        """The configuration with which the kubelet will start next.

        Raises the errors of `next_start_with`.
        """
        return self.next_start_with(self.document)

    def next_start_with(self, document: ConfigDocument) -> EffectiveConfiguration:
        """The configuration of the next start, if this document were the kubelet's config file.

        Raises:
            ConfigurationError: the kubelet would reject a file, or a file cannot be read.
        """
        file = configuration_of(document, self.survey.config[0].text_path)
        return effective(file, self._drop_ins, read_flags(self.survey.words))

    @property
    def cluster_domain(self) -> str:
        """The kubelet's clusterDomain; empty if it is not set or the files cannot be read."""
        try:
            return self.next_start.configuration.cluster_domain if self.survey.config else ""
        except ConfigurationError:
            return ""

    @cached_property
    def _drop_ins(self) -> tuple[ConfigurationFile, ...]:
        by_path = {each.text_path: each for each in self.survey.drop_ins}
        size = sum(len(each.content) for each in (*self.survey.config, *self.survey.drop_ins))
        if by_path and size > LARGEST:  # parsing blocks the work on every other node
            seen = f"{size} bytes with its drop-ins; expected at most {LARGEST}"
            raise ConfigurationError(self.survey.config[0].text_path, seen)
        return tuple(
            read_configuration(by_path[path].content, path, drop_in=True)
            for path in drop_in_order(by_path)
        )


def asks_anyhow(survey: NodeSurvey) -> bool:
    """Whether a drop-in or a flag turns serverTLSBootstrap on, regardless of the config file. False if the files cannot be read."""
    try:
        empty = read_document(_EMPTY_FILE)
        found = StartFiles(survey).next_start_with(empty) if survey.config else None
    except ConfigurationError:
        return False
    return found is not None and found.configuration.server_tls_bootstrap


def restart_pending(survey: NodeSurvey, started_with: str = "") -> bool:
    """Whether the kubelet may run with old settings: its config file was written after its start.

    started_with: the SHA-256 of the file at the start, if known. A rewrite with the same content
    does not count.
    """
    if not survey.config or survey.config[0].sha256 == started_with:
        return False
    return was_since_the_start(survey, survey.config[0].modified)


def has_restarted(state: str) -> bool:
    """Whether a run in that state has restarted the kubelet with the new config file."""
    return state in ("restarted", "verified", "committed")


def was_since_the_start(survey: NodeSurvey, moment: int) -> bool:
    """Whether the moment is between the kubelet's start and the survey, by the node's clock.

    moment: in Unix seconds. A moment after the survey does not count: however often the kubelet is
    restarted, it would be later than the start.
    """
    if not survey.unit.age:
        return False
    started = survey.clock - survey.unit.age
    return started + _WHOLE_SECONDS < moment <= survey.clock + _WHOLE_SECONDS


def state_of_run(survey: NodeSurvey, run: str) -> str:
    """The state in the run's folder on the node (run_state.sh); empty if there is no folder.

    State `barred`: the run was undone before it began on the node, so it must not begin. State
    `unfinished`: the run died while it prepared the node.
    """
    states = (each.state for each in survey.runs if each.run == run.encode())
    return next(states, b"").decode(errors="replace")


def armed_runs(survey: NodeSurvey) -> tuple[SurveyedRun, ...]:
    """The runs that have begun on this node and not ended.

    Their dead-man's switches will commit verified runs and undo the others.
    """
    return tuple(each for each in survey.runs if each.is_armed)


def armed_message(survey: NodeSurvey, run: SurveyedRun) -> str:
    """A message about what an armed run has done, and when its dead-man's switch undoes or commits it."""
    name = run.run.decode(errors="replace")
    done, ends, ended = (
        ("has changed this node and is verified, but not committed", "commits it", "committed it")
        if run.state == b"verified"
        else ("has changed this node and is not verified yet", "undoes it", "undone it")
    )
    at = f"{datetime.fromtimestamp(run.fires, UTC):%Y-%m-%d %H:%M:%S} UTC by the node's clock"
    when = f"{ends} at {at}"  # no "in 140 s": a plan is read later than it was made
    if not run.fires:
        when = f"{ends} at an unknown time"
    elif run.fires < survey.clock:
        when = f"was due at {at} and has not {ended}"
    return f"run {name} {done}: its dead-man's switch {when}"
