"""The command lines that carry a plan out once more, or make it anew: what was said for one run is said again."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from shlex import join
from types import MappingProxyType

from kubevouch.cli.common.runs import goes_on_here
from kubevouch.rollout.decide.next_step import Commands
from kubevouch.rollout.decide.operator_word import OperatorWord
from kubevouch.rollout.decide.plan import Plan

_NOBODY: Mapping[str, Sequence[str]] = MappingProxyType({})


def commands_of(
    plan: Plan,
    path: Path,
    word: OperatorWord,
    environment: Mapping[str, str],
    *,
    gone: Collection[str] = (),
    accepted: Mapping[str, Sequence[str]] = _NOBODY,
) -> Commands:
    """The commands of the plan in that file. The new one of a plan of some nodes is for the same nodes, less those that are gone.

    accepted: what --allow said when it was made.
    """
    said = [*words_of(word)]
    anew = ["kubevouch", "fix", "--plan", str(path), "--via", plan.via]
    anew += ["--ssh-config", plan.ssh_config] if plan.ssh_config else []
    anew += ["--ssh-user", plan.ssh_user] if plan.ssh_user else []
    anew += ["--ask-sudo-password"] if plan.ask_sudo_password else []
    if plan.pods:
        anew += ["--image", plan.pods.image, "--pod-namespace", plan.pods.namespace]
    only = [each for each in plan.only if each not in gone]
    anew += ["--nodes", ",".join(only)] if only else []
    for node, values in accepted.items():
        anew += [each for value in values for each in ("--allow", f"{node}={value}")]

    def kept(run: str) -> str:
        return f"kubevouch fix --resume {run}" if goes_on_here(run, environment) else ""

    begun = goes_on_here(plan.run, environment)  # its plan is kept, whatever becomes of the file
    again = ["--resume", plan.run] if begun else ["--apply", str(path)]
    return Commands(join(["kubevouch", "fix", *again, *said]), join([*anew, *said]), kept)


def words_of(word: OperatorWord) -> Iterable[str]:
    """The flags by which the operator said it."""
    for domain in word.domains:
        yield from ("--cluster-domain", domain)
    for network in word.service_networks:
        yield from ("--service-cidr", str(network))
    if word.without_credential_id:
        yield "--without-credential-id"
