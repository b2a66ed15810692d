"""Which command leads on where a run is refused before its first write: every refusal names one."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from shlex import join

import msgspec

from kubevouch.cli.common.connect import access_of
from kubevouch.cli.common.runs import kept_here
from kubevouch.cli.common.terminal import Declined, NowhereToWrite, Terminal
from kubevouch.errors import KubevouchError, UsageError
from kubevouch.kube.access import cluster_access
from kubevouch.kube.errors import KubeconfigError
from kubevouch.rollout.decide.advice import Argv, NextStep
from kubevouch.rollout.decide.armed import as_of_now
from kubevouch.rollout.decide.next_step import commands_of, next_after_refusal
from kubevouch.rollout.decide.operator_word import OperatorWord
from kubevouch.rollout.decide.plan import Plan
from kubevouch.system_clock import SystemClock

_CONTEXTS: Argv = ("kubectl", "config", "get-contexts")


@contextlib.contextmanager
def leading_on(
    terminal: Terminal,
    plan: Plan,
    path: Path,
    asked: Sequence[str],
    word: OperatorWord,
    kubeconfig: str | None,
    context: str | None,
) -> Iterator[None]:
    """Gives each error that ends this the command that leads on. path: of a new plan. asked: the command that carries this one out."""
    try:
        yield
    except (Declined, NowhereToWrite):
        raise
    except UsageError as error:
        error.leads_on = _after_usage(error, asked)
        raise
    except KubevouchError as error:
        is_kept = kept_here(terminal.environment)
        commands = commands_of(plan, str(path), word, is_kept, asked=asked)
        there = _at_its_cluster(terminal, plan, asked, commands.anew, kubeconfig, context)
        found = msgspec.structs.replace(
            plan, left_out=as_of_now(plan.left_out, SystemClock().now())
        )
        error.leads_on = _lines(next_after_refusal(error, found, commands, there))
        raise


def _after_usage(error: UsageError, asked: Sequence[str]) -> tuple[str, ...]:
    """A flag that lacks, or a file that is not to be trusted."""
    if isinstance(error, KubeconfigError):
        return (join(_CONTEXTS),)
    if "--yes" in error.expected:
        return (join([*asked, "--yes"]),)
    return (join(["ls", "-l", error.where]),) if Path(error.where).is_absolute() else ()


def _lines(step: NextStep | None) -> tuple[str, ...]:
    return tuple(filter(None, (step.command, step.then))) if step else ()


def _at_its_cluster(
    terminal: Terminal,
    plan: Plan,
    asked: Sequence[str],
    anew: Argv,
    kubeconfig: str | None,
    context: str | None,
) -> Argv:
    """The same at the plan's cluster, if this kubeconfig has it under the plan's name; a new plan, if it is another cluster there now."""
    bound = plan.cluster
    try:
        if access_of(terminal, kubeconfig, context).server == bound.server:
            return anew
        there = cluster_access(
            terminal.environment, kubeconfig=kubeconfig or "", context=bound.context
        )
    except KubevouchError:
        return _CONTEXTS
    return [*asked, "--context", bound.context] if there.server == bound.server else _CONTEXTS
