"""A group of commands. Options before a command are that command's: `kubevouch --context X doctor` is `kubevouch doctor --context X`."""

from collections.abc import Iterable, Sequence

import click
from click.shell_completion import CompletionItem

from kubevouch.errors import nearest

_WITH_VALUE = ("--kubeconfig", "--context", "-o", "--output")
_LACKS_VALUE = "kubevouch.lacks_value"
_BARE = ("-v", "--verbose")


class CommandGroup(click.Group):
    """Hands the options in front of a command on to it. It refuses those that it does not have."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Puts these options behind the command. Without a command the help is shown."""
        end = _leading(args)
        ctx.meta[_LACKS_VALUE] = end > len(args) or args[-1:] == ["="]  # so bash splits it
        before, command = args[:end], args[end : end + 1]
        if not command or command[0] in ctx.help_option_names:
            before = []
        return super().parse_args(ctx, [*command, *before, *args[end + 1 :]])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The commands, but not as the value of an option in front of them."""
        return [] if ctx.meta[_LACKS_VALUE] else super().shell_complete(ctx, incomplete)


def _leading(words: Sequence[str]) -> int:
    """How many words the options in front of the command take."""
    end = 0
    while end < len(words):
        name, has_value, _ = words[end].partition("=")
        short = words[end].startswith("-o") and len(words[end]) > len("-o")
        if words[end] in _BARE or (has_value and name in _WITH_VALUE) or short:
            end += 1
        elif words[end] in _WITH_VALUE:
            end += 2
        else:
            break
    return end


def mistyped(error: click.NoSuchCommand | click.NoSuchOption) -> str:
    """What a wrong command or option is nearest to, of those that its command has."""
    assert error.ctx is not None
    ctx, command = error.ctx, error.ctx.command
    if isinstance(error, click.NoSuchCommand):
        assert isinstance(command, click.Group)
        word, kind, known = error.command_name, "verb", command.list_commands(ctx)
        otherwise = f"there are {', '.join(known)}"
    else:
        word, kind, known = error.option_name, "option", list(_options(ctx))
        otherwise = f"`{ctx.command_path} --help` lists all"
    known = [each for each in known if each != word]  # an option that only stands in a wrong place
    path = ctx.command_path.removeprefix(ctx.find_root().command_path).split()
    return f"{' '.join([*path, word])}: there is no such {kind}; {nearest(word, known, otherwise=otherwise)}"


def _options(ctx: click.Context) -> Iterable[str]:
    if isinstance(ctx.command, CommandGroup):
        yield from (*_WITH_VALUE, *_BARE)
    for each in ctx.command.get_params(ctx):
        if isinstance(each, click.Option) and not each.hidden:
            yield from (*each.opts, *each.secondary_opts)
