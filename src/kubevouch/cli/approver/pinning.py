"""The steps of `approver pin` and `approver install` that propose, show and write pins."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from kubevouch.cli.approver.pin_change import Texts, carry_out, check_installed, written
from kubevouch.cli.approver.stored_pins import read_stored_pins
from kubevouch.cli.common.allow import check_full_names
from kubevouch.cli.common.connect import named, with_api
from kubevouch.cli.common.documents import print_document
from kubevouch.cli.common.legend import PINS
from kubevouch.cli.common.terminal import Terminal
from kubevouch.cli.csr.sources import serving_csr
from kubevouch.clock import Clock
from kubevouch.diagnose.make import counted
from kubevouch.errors import ExitCode, KubevouchError, UsageError
from kubevouch.evidence.gather.inquiry import Inquiry, of_each, together
from kubevouch.evidence.gather.names import gather_names
from kubevouch.kube.access import ClusterAccess
from kubevouch.kube.errors import KubeError
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.resources import CSRS, NODES, SELF_SUBJECT_REVIEWS, Node
from kubevouch.node.errors import NodeError
from kubevouch.node.transport import NodeTransport
from kubevouch.policy.csr import certificate_id, client_csr_of, csr_of, requestor_node
from kubevouch.policy.node_index import NodeIndex
from kubevouch.policy.pin_proposals import PinState, Proposal, Seen, proposals, still_allowed
from kubevouch.policy.sources.configuration import with_configured
from kubevouch.rollout.act.look import survey_node
from kubevouch.rollout.act.node_facts import client_certificates_of
from kubevouch.rollout.decide.machine import not_bound_by_operator, not_the_machine

_AT_ONCE: Final = 16
_UNPINNED: Final = (PinState.UNREADABLE, PinState.NOTHING)


@dataclass(frozen=True)
class NamedCertificates:
    """Maps each node to the SHA-256 hash of its client certificate (`of`), or to why the hash is unknown (`problems`)."""

    of: Mapping[str, str] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class NewPins:
    """Proposed pins for each node. problems: errors in the stored data. gone: pinned nodes without a Node object.

    named: the client certificates to pin. issued: who requested the certificate of --csr, and when.
    """

    found: Sequence[Proposal]
    problems: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    named: NamedCertificates = field(default_factory=NamedCertificates)
    issued: str = ""
    texts: Texts = field(default_factory=dict)
    """The text of each stored pin, by node, then by ConfigMap."""


class NamesNotKnown(KubevouchError):
    """The cluster's own names and addresses, which no node may claim, are unreadable. Without them, pins cannot be checked."""


def look(
    terminal: Terminal,
    access: ClusterAccess,
    asked: Sequence[str],
    allowed: Mapping[str, tuple[str, ...]],
    csr: str = "",
    ssh: NodeTransport | None = None,
) -> NewPins:
    """Reads Nodes, the cluster's own names, pins and, with ssh, the disks of nodes.

    asked: the nodes to pin; empty means all. allowed: the values of --allow by node. csr: the value of --csr.
    """

    async def looking(api: ApiClient, clock: Clock) -> NewPins:
        inquiry = Inquiry(clock)
        nodes, names, stored, by = await together(
            api.list_all(NODES),
            gather_names(api, inquiry),
            read_stored_pins(api),
            _own_user(api),
        )
        known = [node.name for node in nodes]
        check_full_names((*asked, *allowed), known)
        chosen = tuple(dict.fromkeys(asked))
        if names.doubts:
            raise NamesNotKnown("the cluster's own names", names.doubts[0].text)
        names = with_configured(names, stored.sources.configuration_or_default)
        if csr:
            named = NamedCertificates({chosen[0]: await credential_of(api, csr, chosen[0])})
        elif ssh:
            wanted = [node for node in nodes if node.name in (chosen or known)]
            words = {
                node.name: {*allowed.get(node.name, ()), *still_allowed(stored.pins, node)}
                for node in wanted
            }
            named = await certificates_on_disks(wanted, nodes, words, ssh, terminal.doing)
        else:
            named = NamedCertificates()
        seen = Seen(nodes, names, stored.pins, allowed, named.of)
        found = proposals(seen, chosen or known, at=api.server_clock.now(), by=by)
        gone = () if chosen else tuple(sorted(stored.pins.keys() - set(known)))
        issued = await issued_to(api, *named.of.values()) if csr else ""
        return NewPins(found, stored.problems, gone, named, issued, stored.texts)

    return with_api(terminal, access, looking)


async def _own_user(api: ApiClient) -> str:
    """Our user name, as the API server reports it; "" after an error, for example before Kubernetes 1.28."""
    try:
        return (await api.create(SELF_SUBJECT_REVIEWS, {})).status.user_info.username
    except KubeError:
        return ""


def show(terminal: Terminal, looked: NewPins) -> None:
    """Prints the proposed pins, and the values that are not pinned."""
    if terminal.document_form:
        content = {"nodes": [_json(each) for each in looked.found], "gone": looked.gone}
        print_document(terminal, "kubevouch.pins/1", content)
    else:
        terminal.table(tuple(PINS), [_row(each) for each in looked.found])
        terminal.out()
        terminal.out("Source: each Node's status, which the node itself writes. Check every line.")
        for each in looked.found:
            for text in each.left_out:
                terminal.wrapped(text, f"{each.pin.node}  not pinned  ")
    for text in looked.problems:
        terminal.error(text)
    for node, why in looked.named.problems.items():
        terminal.error(f"{node}: cannot pin the client certificate: {why}")
    if looked.found and looked.named == NamedCertificates():
        over_ssh = terminal.hint("kubevouch approver pin --via ssh")
        text = "No client certificate is added. To pin the certificates on the nodes' disks"
        terminal.note(f"{text}: {over_ssh}")


def _details(found: Proposal) -> tuple[str, ...]:
    """Details of a new or changed pin that the table omits."""
    if not found.writes:
        return ()
    if found.now is None:
        pin = found.pin
        allowed = [f"{value}: allowed by the operator" for value in pin.allowed]
        certificates = [f"+ client certificate X509SHA256={c}" for c in pin.client_certificates]
        return (*allowed, *certificates)
    return found.changes


def _row(found: Proposal) -> tuple[str, ...]:
    pin = found.pin
    names, addresses = ", ".join(pin.names) or "-", ", ".join(pin.addresses) or "-"
    return pin.node, found.state, names, addresses


def _json(found: Proposal) -> Mapping[str, object]:
    pin = found.pin
    return {
        "node": pin.node,
        "state": found.state,
        "uid": pin.uid,
        "names": pin.names,
        "addresses": pin.addresses,
        "machineId": pin.machine_id,
        "clientCertificates": pin.client_certificates,
        "allowed": pin.allowed,
        "notPinned": found.left_out,
        "changes": found.changes,
        "differs": found.differs,
    }


def say_differences(terminal: Terminal, looked: NewPins) -> ExitCode:
    """Prints the differences between pins and live Nodes. Returns exit code 1 if they differ."""
    terminal.out()
    for each in looked.found:
        for text in each.differs:
            terminal.wrapped(text, f"{each.pin.node}  ")
    for node in looked.gone:
        hint = terminal.hint(f"kubevouch approver pin {node} --remove")
        terminal.wrapped(f"this Node no longer exists; remove its pin: {hint}", f"{node}  ")
    differs = any(each.differs for each in looked.found) or bool(looked.gone)
    if not differs:
        terminal.out("Every pin matches its Node.")
    elif any(each.writes for each in looked.found):
        wanted = " ".join(each.pin.node for each in looked.found if each.writes)
        terminal.out("If these are your nodes, and every row is correct:")
        terminal.command("NEXT  ", f"kubevouch approver pin {wanted}")
    return ExitCode.FINDINGS if differs else ExitCode.OK


def write(terminal: Terminal, access: ClusterAccess, looked: NewPins, *, yes: bool) -> ExitCode:
    """Asks the operator to confirm, then writes new and changed pins.

    Exit code 4: a node could not be pinned. 1: a value of --allow was refused. 3: a client certificate is unreadable.
    """
    pins = [each.pin for each in looked.found if each.writes]
    refused = [(each.pin.node, value) for each in looked.found for value in each.refused]
    without = [each for each in looked.found if each.state in _UNPINNED]
    for each in without:
        text = f"{each.pin.node} is not pinned: {(*each.differs, *each.left_out)[0]}"
        terminal.error(text)
        if each.state is PinState.UNREADABLE:
            first = f"kubevouch approver pin {each.pin.node} --remove"
            terminal.command("NEXT  ", first, beside_an_error=True)
    for node, value in refused:
        terminal.error(f"{node}: {value} is not pinned, although --allow lists it")
    code = ExitCode.COULD_NOT_TELL if looked.named.problems else ExitCode.OK
    if refused:
        code = ExitCode.FINDINGS
    if without:
        code = ExitCode.STOPPED
    if pins:
        check_installed(terminal, access)
        _ask(terminal, access, looked, code, yes=yes)
        carry_out(terminal, access, written(pins, looked.texts))
        terminal.out(f"{counted(len(pins), 'node')} pinned.")
    elif not without and not refused:
        terminal.out("Nothing to do: every pin is up to date.")
    return code


def _ask(
    terminal: Terminal, access: ClusterAccess, looked: NewPins, if_dry: ExitCode, *, yes: bool
) -> None:
    """Prints the changes, and asks the operator to confirm. if_dry: the exit code of a dry run."""
    pins = [each.pin for each in looked.found if each.writes]
    for each in looked.found:
        for text in _details(each):
            terminal.wrapped(text, f"{each.pin.node}  ")
    if looked.issued:
        terminal.wrapped(f"the client certificate: {looked.issued}", f"{pins[0].node}  ")
    what = f"pin {counted(len(pins), 'node')} as shown in the table"
    terminal.confirm(f"{what}, on {named(access)}", yes=yes, if_dry=if_dry)


async def certificates_on_disks(
    wanted: Sequence[Node],
    nodes: Sequence[Node],
    said: Mapping[str, Collection[str]],
    transport: NodeTransport,
    progress: Callable[[str], None],
) -> NamedCertificates:
    """Reads the client certificate on each node's disk. Connects to each node and verifies its identity as `plan` does.

    nodes: all nodes of the cluster. said: names and addresses that the operator allows for each node, as in `plan`.
    """
    index = NodeIndex(nodes)
    of: dict[str, str] = {}
    problems: dict[str, str] = {}

    async def look(node: Node) -> None:
        name, machine_id = node.name, node.status.node_info.machine_id
        try:
            host, result = await survey_node(node, transport)
        except NodeError as error:
            problems[name] = str(error).removeprefix(f"{name}: ")
        else:
            found, known_as = result.answer, result.known_as
            why = not_the_machine(found, name, machine_id)
            why = why or not_bound_by_operator(name, host, known_as, said.get(name, ()), index)
            if not result.host_key:
                why = "ssh does not report the host key"
            if why:
                problems[name] = why
            else:
                (of[name],) = client_certificates_of(found)
        progress(f"read the disks of {len(of) + len(problems)} of {len(wanted)} nodes")

    await of_each(wanted, look, at_once=_AT_ONCE)
    return NamedCertificates(of, problems)


async def credential_of(api: ApiClient, name: str, node: str) -> str:
    """The hash of the client certificate that the node used to create this CSR. Raises UsageError."""
    csr = csr_of(await serving_csr(api, name, expected="expected the name of a CSR of the node"))
    if requestor_node(csr) != node:
        raise UsageError(f"--csr {name}", f"{csr.username} created it", f"expected a CSR of {node}")
    found = certificate_id(csr.credential_ids or ())
    if not found:
        seen = "the CSR does not record the requestor's client certificate (needs Kubernetes 1.32)"
        raise UsageError(f"--csr {name}", seen, "expected --via ssh")
    return found


async def issued_to(api: ApiClient, certificate: str) -> str:
    """Describes who requested this client certificate, and when, according to the live CSRs."""
    try:
        listed = await api.list_all(CSRS)
    except KubeError as error:
        return f"requestor and time of issue are unknown: {error}"
    for found in listed:
        if (issued := client_csr_of(found)) and issued.certificate == certificate:
            when = f"{issued.created:%Y-%m-%d %H:%M:%S} UTC"
            return f"issued for the CSR {found.name}, created at {when} by {found.spec.username}"
    return "requestor and time of issue are unknown: the CSR no longer exists"
