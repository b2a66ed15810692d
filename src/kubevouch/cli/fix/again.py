"""The command lines that carry a plan out once more, or make it anew: what was said for one run is said again."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from shlex import join, quote
from types import MappingProxyType

from kubevouch.cli.common.runs import kept_run
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
    nodes: Sequence[str] = (),
    accepted: Mapping[str, Sequence[str]] = _NOBODY,
) -> Commands:
    """The commands of the plan in that file. nodes, accepted: what --nodes and --allow said when it was made."""
    said = [*_said(word)]
    anew = ["kubevouch", "fix", "--plan", str(path), "--via", plan.via]
    anew += ["--ssh-config", plan.ssh_config] if plan.ssh_config else []
    anew += ["--ssh-user", plan.ssh_user] if plan.ssh_user else []
    anew += ["--nodes", ",".join(nodes)] if nodes else []
    for node, values in accepted.items():
        anew += [each for value in values for each in ("--allow", f"{node}={value}")]

    def kept(run: str) -> str:
        found = kept_run(run, environment)
        return f"kubevouch fix --apply {quote(str(found))}" if found else ""

    again = ["kubevouch", "fix", "--apply", str(path), *said]
    return Commands(join(again), join([*anew, *said]), kept)


def _said(word: OperatorWord) -> Iterable[str]:
    for domain in word.domains:
        yield from ("--cluster-domain", domain)
    for network in word.service_networks:
        yield from ("--service-cidr", str(network))
    if word.without_credential_id:
        yield "--without-credential-id"
