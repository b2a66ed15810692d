"""What comes next for CSRs that are held: the command that says why, a pin, a plan, or a denial."""

import shlex
from collections.abc import Sequence

from kubevouch.cli.common.terminal import Terminal
from kubevouch.cli.csr.judgement import CsrJudgement
from kubevouch.diagnose.catalogue.definition import PLAN
from kubevouch.kube.resources import CertificateSigningRequest
from kubevouch.outcome import Outcome
from kubevouch.policy.decide import Decision
from kubevouch.policy.reasons import HoldReason
from kubevouch.policy.rule import listed
from kubevouch.policy.sources.choice import IdentitySource
from kubevouch.policy.sources.inventory import INVENTORY

_NOBODY_SAYS = frozenset({HoldReason.NODE_UNKNOWN, HoldReason.ONLY_THE_NODE_SAYS_SO})
_OVER = frozenset({HoldReason.SUPERSEDED, HoldReason.TOO_OLD})
_NO_KUBELETS = frozenset({HoldReason.NOT_A_NODE, HoldReason.WRONG_SUBJECT})


def print_next(
    terminal: Terminal,
    found: Sequence[CertificateSigningRequest],
    judgements: Sequence[CsrJudgement],
) -> None:
    """Where one that nobody has decided about is held: the command that says why, and what would help. One that its kubelet has replaced needs nobody."""
    pairs = zip(found, judgements, strict=True)
    held = [
        (each.name, by)
        for each, by in pairs
        if not each.status.conditions
        and by.outcome is not Outcome.PASS
        and HoldReason.SUPERSEDED not in {each.reason for each in by.decision.held_by}
    ]
    if held:
        terminal.out()
        terminal.command("NEXT   ", explaining(held))


def explaining(held: Sequence[tuple[str, CsrJudgement]]) -> str:
    """The command that says why the first of these is held, by name; before what its kubelet has stopped waiting for comes what waits."""
    waits = (name for name, by in held if not _OVER & {r.reason for r in by.decision.held_by})
    return shlex.join(("kubevouch", "csr", "explain", next(waits, held[0][0])))


def print_way_on(terminal: Terminal, held: Sequence[CsrJudgement]) -> None:
    """Where no source knows a node and no approver is installed: the plan, which proves what each node has, and approves that."""
    if any(not each.names.advice and _wants_a_plan(each.decision) for each in held):
        terminal.command("NEXT   ", shlex.join(PLAN))


def _wants_a_plan(decision: Decision) -> bool:
    """Whether nothing else holds it than that nobody says what its node has, or that it is not its kubelet's newest."""
    reasons = {each.reason for each in decision.held_by}
    return bool(reasons & _NOBODY_SAYS) and reasons <= _NOBODY_SAYS | _OVER


def print_denial(terminal: Terminal, judgement: CsrJudgement) -> None:
    """What becomes of a CSR that no word of an operator and no plan helps: nothing, until somebody denies it."""
    held = judgement.decision.held_by
    if _lacks_its_node(judgement):
        why = "there is no such Node"
        text = "It waits until there is a Node of that name. If there never will be one:"
    elif any(each.reason in _NO_KUBELETS for each in held):
        why = "no kubelet asks so"
        text = "No kubelet asks so, and nothing that you could say makes it pass. It does nothing as long as nobody approves it. To end it:"
    else:
        return
    terminal.wrapped(text)
    deny = ("kubevouch", "csr", "deny", judgement.decision.about, "--reason", why)
    terminal.command("       ", shlex.join(deny))


def _lacks_its_node(judgement: CsrJudgement) -> bool:
    """Whether no Node has the name of the requestor: no plan can have it, and nobody can pin it."""
    return any(rule.reason is HoldReason.NO_SUCH_NODE for rule in judgement.decision.held_by)


def print_the_word_that_helps(terminal: Terminal, judgement: CsrJudgement, node: str) -> None:
    """How the operator says that the node has what it does not claim itself: with the caution that this is his word."""
    if not judgement.word:
        return
    values, names = listed(judgement.word), judgement.names
    flags = [word for value in judgement.word for word in ("--allow", f"{node}={value}")]
    text = f"It would pass by your word that {node} has {values}, though the Node itself does not claim that. "
    text += "Give it only if you know that it is this node's and nobody else's: whoever has the certificate can answer for it."
    terminal.wrapped(text)
    if names.source == IdentitySource.INVENTORY:
        terminal.wrapped(f"Then list it with {node} in the inventory (ConfigMap {INVENTORY}).")
    elif names.advice or names.source in (IdentitySource.PIN, IdentitySource.RECORDED):
        terminal.command("       ", shlex.join(("kubevouch", "approver", "pin", node, *flags)))
    else:
        terminal.command("       ", shlex.join(flags))
