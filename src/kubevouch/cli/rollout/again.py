"""The command lines that carry a plan out once more, or make it anew: what was said for one run is said again."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from shlex import join
from types import MappingProxyType

from kubevouch.cli.common.run_history import times_of
from kubevouch.cli.common.runs import goes_on_here
from kubevouch.rollout.decide.next_for_status import status_of
from kubevouch.rollout.decide.next_step import Commands
from kubevouch.rollout.decide.operator_word import OperatorWord
from kubevouch.rollout.decide.plan import Plan
from kubevouch.rollout.decide.reaching import said_again, way_of

_NOBODY: Mapping[str, Sequence[str]] = MappingProxyType({})


def commands_of(
    plan: Plan,
    path: Path,
    word: OperatorWord,
    environment: Mapping[str, str],
    *,
    asked: str = "",
    gone: Collection[str] = (),
    accepted: Mapping[str, Sequence[str]] = _NOBODY,
) -> Commands:
    """The commands of the plan in that file. The new one of a plan of some nodes is for the same nodes, less those that are gone.

    asked: the command line that carries this plan out; empty if it is `apply` with that file. accepted: what --allow said when it
    was made.
    """
    said = [*words_of(word)]
    there = [*_way_there(plan)]
    only = [each for each in plan.only if each not in gone]
    some = ["--nodes", ",".join(only)] if only else []
    for node, values in accepted.items():
        some += [each for value in values for each in ("--allow", f"{node}={value}")]

    def anew(via: str) -> str:
        new = ["kubevouch", "plan", "-o", str(path), "--via", via]
        return join([*new, *there, *some, *said])

    def looks(run: str) -> str:
        if goes_on_here(run, environment):
            return status_of(run)  # as its own plan goes there
        via = ["--via", plan.via] if plan.via != "ssh" else []
        return " ".join(filter(None, (status_of(run), join([*via, *there]))))

    def kept(run: str) -> str:
        if not goes_on_here(run, environment):
            return ""
        times = times_of(run, environment)
        return join(["kubevouch", "resume", run, *(times.words if times else ())])

    begun = goes_on_here(plan.run, environment)  # its plan is kept, whatever becomes of the file
    again = ["resume", plan.run] if begun else ["apply", str(path)]
    return Commands(
        again=asked if asked and not begun else join(["kubevouch", *again, *said]),
        anew=anew(plan.via),
        kept=kept,
        looks=looks,
        way=way_of(plan),
        by_ssh=anew("ssh"),
    )


def _way_there(plan: Plan) -> Iterator[str]:
    """The flags that say how its nodes are reached, besides `--via`."""
    yield from said_again(way_of(plan))
    if plan.ask_sudo_password:
        yield "--ask-sudo-password"
    if plan.pods:
        yield from ("--image", plan.pods.image, "--pod-namespace", plan.pods.namespace)


def words_of(word: OperatorWord) -> Iterable[str]:
    """The flags by which the operator said it."""
    for domain in word.domains:
        yield from ("--cluster-domain", domain)
    for network in word.service_networks:
        yield from ("--service-cidr", str(network))
    if word.without_credential_id:
        yield "--without-credential-id"
