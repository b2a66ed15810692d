"""`completion SHELL` prints a script for shell completion. Also completes `kubectl vouch`."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from kubevouch.cli.common.options import terminal_of
from kubevouch.errors import ExitCode

if TYPE_CHECKING:
    from kubevouch.cli.common.terminal import Terminal

_NO_FILES = 4
"""The value of ShellCompDirectiveNoFileComp in Go's cobra. 0 would let the shell offer files."""


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> int:
    """Prints a completion script for SHELL.

    \b
      bash   source <(kubevouch completion bash)    in ~/.bashrc
      zsh    source <(kubevouch completion zsh)     in ~/.zshrc, after compinit
      fish   kubevouch completion fish | source     in ~/.config/fish/config.fish
    """
    from click.shell_completion import get_completion_class

    kind = get_completion_class(shell)
    assert kind is not None
    program = ctx.find_root().command
    terminal_of(ctx).out(kind(program, {}, "kubevouch", "_KUBEVOUCH_COMPLETE").source().rstrip())
    return ExitCode.OK


def offered_to_kubectl(
    program: click.Command, words: Sequence[str], terminal: "Terminal"
) -> Iterator[str]:
    """Yields completions of the last word, one per line, then cobra's directive, as kubectl expects from a plugin."""
    from click.shell_completion import ShellComplete

    *whole, begun = words or ("",)
    shell = ShellComplete(program, {"obj": terminal}, "kubectl vouch", "")
    offered = shell.get_completions(whole, begun)
    yield from (each.value for each in offered if each.type == "plain")
    yield f":{_NO_FILES if all(each.type == 'plain' for each in offered) else 0}"
