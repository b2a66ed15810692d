"""`completion SHELL`: the script that lets a shell complete our verbs and flags."""

import click

from kubevouch.cli.common.options import terminal_of
from kubevouch.errors import ExitCode


@click.command("completion", short_help="Prints the script for a shell's completion.")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> int:
    """What SHELL needs to complete verbs and flags of kubevouch.

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
