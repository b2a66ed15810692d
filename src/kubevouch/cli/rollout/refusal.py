"""Which command leads on where a run is refused before its first write: every refusal names one."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from shlex import join

import msgspec

from kubevouch.cli.common.runs import kept_here
from kubevouch.cli.common.terminal import Declined, NowhereToWrite, Terminal
from kubevouch.errors import KubevouchError, UsageError
from kubevouch.kube.errors import KubeconfigError
from kubevouch.rollout.decide.advice import CONTEXTS, NextStep
from kubevouch.rollout.decide.armed import as_of_now
from kubevouch.rollout.decide.next_step import commands_of, next_after_refusal
from kubevouch.rollout.decide.operator_word import NO_WORD, OperatorWord
from kubevouch.rollout.decide.plan import Plan
from kubevouch.system_clock import SystemClock


@contextlib.contextmanager
def leading_on(
    terminal: Terminal,
    plan: Plan,
    path: Path,
    asked: Sequence[str],
    word: OperatorWord = NO_WORD,
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
        found = msgspec.structs.replace(
            plan, left_out=as_of_now(plan.left_out, SystemClock().now())
        )
        error.leads_on = _lines(next_after_refusal(error, found, commands))
        raise


def _after_usage(error: UsageError, asked: Sequence[str]) -> tuple[str, ...]:
    """A flag that lacks, or a file that is not to be trusted."""
    if isinstance(error, KubeconfigError):
        return (join(CONTEXTS),)
    if "--yes" in error.expected:
        return (join([*asked, "--yes"]),)
    return (join(["ls", "-l", error.where]),) if Path(error.where).is_absolute() else ()


def _lines(step: NextStep | None) -> tuple[str, ...]:
    return tuple(filter(None, (step.command, step.then))) if step else ()
