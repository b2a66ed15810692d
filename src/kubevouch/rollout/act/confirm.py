"""Whether an address in a Node's status is the node's own, by something that the node cannot write.

By ssh: its host key, which the operator's known_hosts vouches for, answers there, and it is the same machine. On this
machine: an interface here has it. By pod nothing is proven: only what operators
have written down of the node counts. A DNS name proves nothing: whoever answers the resolver could choose.
"""

from collections.abc import Iterable
from ipaddress import ip_address

import msgspec

from kubevouch.evidence.survey import NodeSurvey
from kubevouch.node.errors import NodeError
from kubevouch.node.script import DialAddress, Script, ScriptResult
from kubevouch.policy.claims import NameSource, as_address
from kubevouch.rollout.act.context import RolloutContext
from kubevouch.rollout.act.survey_node import is_by_address
from kubevouch.rollout.decide.by_pod import WrittenNode

_TIMEOUT = 20.0


class _Machine(msgspec.Struct, frozen=True):
    machine_id: bytes


_WHO = Script(
    name="machine-id",
    text="""printf 'kubevouch-answer: {"machine_id":"%s"}\\n' "$(base64 </etc/machine-id | tr -d '\\n')" """,
    answer=_Machine,
)


async def confirm_addresses(
    values: Iterable[str], host: str, carried: ScriptResult[NodeSurvey], context: RolloutContext
) -> dict[str, NameSource]:
    """Those of the values that are addresses and proven to be the surveyed machine's own, each with its proof.

    carried: the survey of that machine, and the ssh host key that answered for it. host: what ssh was asked for. A key that the operator
    knows for an address, and for no name, proves that address only.
    """
    claimed = {str(address) for value in values if (address := as_address(value)) is not None}
    if context.transport.name == "local":
        here = {str(as_address(text.decode(errors="replace"))) for text in carried.answer.addresses}
        return dict.fromkeys(claimed & here, NameSource.THIS_MACHINE)
    if context.transport.name == "pod":
        written = context.written.get(host, WrittenNode()).addresses
        return {each: source for each, source in written.items() if each in claimed}
    if is_by_address(host):
        claimed &= {host}
    confirmed: dict[str, NameSource] = {}
    for text in sorted(claimed):
        if _answered_at(text, carried) or await _answers(text, host, carried, context):
            confirmed[text] = NameSource.SSH_HOST_KEY
    return confirmed


def _answered_at(address: str, carried: ScriptResult[NodeSurvey]) -> bool:
    """The survey itself came from there."""
    known = carried.host_key is not None and carried.known_as is not None
    dialled = as_address(carried.dialled or "")
    return known and dialled is not None and str(dialled) == address and not dialled.is_link_local


async def _answers(
    address: str, host: str, carried: ScriptResult[NodeSurvey], context: RolloutContext
) -> bool:
    """The machine that was surveyed answers there, by the key under which the operator knows it."""
    if carried.host_key is None or carried.known_as is None or ip_address(address).is_link_local:
        return False
    try:
        place = DialAddress(address, carried.known_as)
        there = await context.transport.run_script(host, _WHO, timeout=_TIMEOUT, at=place)
    except NodeError:
        return False
    same_key = there.host_key == carried.host_key
    return same_key and there.answer.machine_id.strip() == carried.answer.machine_id.strip()
