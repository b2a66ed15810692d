"""Finds and runs a verb. Turns any error into a message and an exit code."""

import gc
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import PurePath

import click

from kubevouch import __version__
from kubevouch.cli.common.group import CommandGroup, wrong_line
from kubevouch.cli.common.signals import ended_as_by_ctrl_c, ignoring_ctrl_c
from kubevouch.cli.common.terminal import NOTHING_CHANGED, Declined, Terminal, one_line
from kubevouch.errors import ExitCode, KubevouchError, UsageError

# Each verb's module in kubevouch.cli (:NAME if its command is not named `command`), and its line
# below its heading in the help, which does not import the modules.
_HEADINGS = {
    "Look (read-only)": {
        "doctor": ("doctor", "Show what is wrong and why."),
        "explain": ("explain", "Explain a finding's code and its fix."),
        "verify": ("verify", "Check every kubelet's certificate, and that metrics are fresh."),
        "certs": ("certs.command", "List every certificate, when it expires, and what stops then."),
        "probe": ("probe", "Show and verify the certificate of a kubelet, host or file."),
        "top": ("top", "Show usage as kubectl top does, and why a value is missing."),
    },
    "Change": {
        "plan": ("rollout.command:plan", "Show the planned change to each kubelet. Read-only."),
        "apply": ("rollout.command:apply", "Carry out a plan node by node, and verify each node."),
        "status": ("rollout.command:status", "Show the state of runs on their nodes. Read-only."),
        "resume": ("rollout.command:resume", "Continue an interrupted run."),
        "undo": ("rollout.command:undo", "Restore the nodes of a run."),
    },
    "CSRs": {"csr": ("csr.command", "List, explain, approve or deny CSRs of kubelets.")},
    "Servers": {
        "approver": ("approver.command", "Approve CSRs in the cluster by policy; hold the rest."),
        "exporter": ("exporter", "Serve the expiry of every certificate as metrics."),
        "metrics-server": (
            "metrics_server.command",
            "Serve the metrics API, from verified kubelets only.",
        ),
    },
    "More": {"completion": ("completion", "Print a shell completion script.")},
}
_VERBS = {verb: row for verbs in _HEADINGS.values() for verb, row in verbs.items()}
_NAME_WIDTH = max(map(len, _VERBS))


class VerbGroup(CommandGroup):
    """Imports the module of a verb on demand. Other distributions can add verbs (`added_verbs`)."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """The verbs in the order of the help."""
        from kubevouch.cli.added_verbs import added_verbs

        return [*_VERBS, *(each for each in added_verbs() if each not in _VERBS)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the verbs below their headings, one per line."""
        added = [each for each in self.list_commands(ctx) if each not in _VERBS]
        limit = formatter.width - _NAME_WIDTH - 6
        found = ((each, self.get_command(ctx, each)) for each in added)
        theirs = {name: verb.get_short_help_str(limit) for name, verb in found if verb}
        for heading, verbs in _HEADINGS.items():
            ours = {name: text for name, (_, text) in verbs.items()}
            texts = {**theirs, **ours} if heading == "More" else ours
            with formatter.section(heading):
                formatter.write_dl([(f"{name:<{_NAME_WIDTH}}", t) for name, t in texts.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Finds the verb that the first argument names."""
        is_verb = not args[0].startswith("-") and not ctx.resilient_parsing
        if is_verb and args[0] not in _VERBS:
            return args[0], _added(ctx, args[0]), args[1:]
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The verb with this name. Returns None for a verb that cannot be loaded; the help then omits it."""
        if cmd_name not in _VERBS:
            return _added_or_none(cmd_name)
        where, short_help = _VERBS[cmd_name]
        module, _, name = where.partition(":")
        found: click.Command = getattr(import_module(f"kubevouch.cli.{module}"), name or "command")
        found.short_help = short_help
        return found


def _added(ctx: click.Context, name: str) -> click.Command:
    """Loads a verb of another distribution.

    Raises:
        click.NoSuchCommand: the verb is unknown.
        UsageError: the verb is not installed.
        VerbNotLoaded: the verb cannot be loaded.
    """
    from kubevouch.cli.added_verbs import NOT_INSTALLED, added_verbs, loaded

    added = added_verbs()
    if name in added:
        return loaded(added[name])
    if name in NOT_INSTALLED:
        raise UsageError(name, "this verb is not installed", NOT_INSTALLED[name])
    raise click.NoSuchCommand(name, ctx=ctx)


def _added_or_none(name: str) -> click.Command | None:
    from kubevouch.cli.added_verbs import VerbNotLoaded, added_verbs, loaded

    try:
        return loaded(added_verbs()[name])
    except (KeyError, VerbNotLoaded):
        return None


@click.group(
    cls=VerbGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, message="%(prog)s %(version)s")
def program() -> None:
    """From metrics-server 0/3 to verified TLS on every kubelet, while the kubelets keep answering.

    \b
      kubevouch doctor              show what is wrong and why (read-only)
      kubevouch plan -o plan.json   show each change first (read-only)
      kubevouch apply plan.json     make the changes, and verify each node
      kubevouch verify              check every node and the metrics (read-only)

    Exit codes: 0 success, no relevant findings; 1 findings; 2 usage error; 3 could not tell; 4 stopped: some nodes are
    done, or nothing was changed; 5 undone; 130 interrupted.
    """


def run(arguments: Sequence[str], *, program: str, environment: Mapping[str, str]) -> int:
    """Runs a command line and returns its exit code. Raises errors only if KUBEVOUCH_TRACE is set."""
    # Collect garbage only after 5,000 new objects: a read of many nodes creates thousands, all in use.
    gc.set_threshold(5_000, 10, 10)
    terminal = Terminal(sys.stdin, sys.stdout, sys.stderr, environment)  # noqa: TID251 - the one place
    called = PurePath(program).name
    name = "kubectl vouch" if called.startswith("kubectl") else "kubevouch"
    try:
        with ended_as_by_ctrl_c():
            if called == _COMPLETER:
                return _complete(arguments, terminal)
            return _invoke(arguments, name, terminal)
    except SystemExit:
        return ExitCode.OK  # click exits this way if a help text goes to a closed pipe
    except (Exception, KeyboardInterrupt) as error:
        if environment.get("KUBEVOUCH_TRACE"):
            raise
        with ignoring_ctrl_c():
            return _report(error, terminal)


def _report(error: BaseException, terminal: Terminal) -> int:
    """Prints the error that ended the program, and the command to run next. Returns the exit code."""
    if isinstance(error, OSError):
        terminal.abandon(terminal.stdout)
    text, code = _message(error)
    if terminal.nothing_changed and code == ExitCode.INTERRUPTED:
        terminal.note(NOTHING_CHANGED)
    terminal.note(text)
    for lead, command in zip(
        ("NEXT     ", "THEN     "), getattr(error, "leads_on", ()), strict=False
    ):
        terminal.command(lead, command, beside_an_error=True)
    return code


def _message(error: BaseException) -> tuple[str, int]:
    match error:
        case KeyboardInterrupt() | click.Abort():
            return "Error: interrupted", ExitCode.INTERRUPTED
        case Declined():
            return str(error), error.exit_code
        case KubevouchError():
            return f"Error: {one_line(str(error))}", error.exit_code
        case click.exceptions.NoArgsIsHelpError():
            return error.format_message(), error.exit_code
        case click.UsageError():
            return f"Error: {one_line(wrong_line(error))}", error.exit_code
        case OSError():
            where = error.filename or "standard output"
            text, code = (
                one_line(f"{where}: {error.strerror or error}"),
                ExitCode.COULD_NOT_TELL,
            )
        case _:
            what = one_line(f"{type(error).__name__}: {error}")
            text = f"internal error in kubevouch (please report it): {what}; {_TRACE}"
            code = ExitCode.COULD_NOT_TELL
    return f"Error: {text}", code


_COMPLETER = "kubectl_complete-vouch"
"""The name of the program that kubectl runs to complete `kubectl vouch ...`."""
_TRACE = "set KUBEVOUCH_TRACE=1 for a traceback"


def _invoke(arguments: Sequence[str], name: str, terminal: Terminal) -> int:
    if any(not _is_text(each) for each in arguments):
        raise UsageError("the command line", "is not UTF-8")
    answer = program_of(arguments, name, terminal)
    terminal.flush()
    return int(answer) if isinstance(answer, int) else ExitCode.OK


def _complete(words: Sequence[str], terminal: Terminal) -> int:
    from kubevouch.cli.completion import offered_to_kubectl

    for line in offered_to_kubectl(program, words, terminal):
        terminal.out(line)
    terminal.flush()
    return ExitCode.OK


def _is_text(argument: str) -> bool:
    """Whether the argument is UTF-8. Python reads other bytes as lone surrogates, which terminals and JSON parsers reject."""
    try:
        argument.encode()
    except UnicodeEncodeError:
        return False
    return True


def program_of(arguments: Sequence[str], name: str, terminal: Terminal) -> object:
    """Runs the verb and returns its exit code."""
    return program.main(args=list(arguments), prog_name=name, standalone_mode=False, obj=terminal)
