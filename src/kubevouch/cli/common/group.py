"""A group of commands that accepts options before a command: `kubevouch --context X doctor` means `kubevouch doctor --context X`."""

import re
from collections.abc import Iterable, Sequence

import click
from click.shell_completion import CompletionItem

from kubevouch.errors import nearest

_WITH_VALUE = ("--kubeconfig", "--context", "-o", "--output")
_LACKS_VALUE = "kubevouch.lacks_value"
_BARE = ("-v", "--verbose")


class CommandGroup(click.Group):
    """A group that accepts --kubeconfig, --context, -o and -v before a command, too. The command may reject them."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Moves options from before the command to after it. Shows the help if no command is given."""
        end = _leading(args)
        ctx.meta[_LACKS_VALUE] = end > len(args) or args[-1:] == ["="]  # bash splits at =
        before, command = _long(args[:end]), args[end : end + 1]
        if not command or command[0] in ctx.help_option_names:
            before = []
        return super().parse_args(ctx, [*command, *before, *args[end + 1 :]])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Completes commands, unless an option before the command still needs its value."""
        return [] if ctx.meta[_LACKS_VALUE] else super().shell_complete(ctx, incomplete)


def _long(words: Sequence[str]) -> list[str]:
    """Replaces -v with --verbose, because a server's -v takes a number."""
    return ["--verbose" if each == "-v" else each for each in words]


def _leading(words: Sequence[str]) -> int:
    """The number of arguments before the command."""
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


_OURS = (
    (r"(.*) is not (?:one of|in the range|a valid) (.*)\.", r"expected \2, got \1"),
    (r"Got unexpected extra arguments? \((.*)\)", r"expected no more arguments, got \1"),
    (r"Option .* requires an argument\.", "expected a value, got none"),
    (r"Option .* does not take a value\.", "expected no value, got one"),
)
"""Patterns for click's messages, and our replacements."""


def wrong_line(error: click.UsageError) -> str:
    """The message for an invalid command line: where the error is, what was expected, and what was given."""
    if isinstance(error, click.NoSuchCommand | click.NoSuchOption):
        return _mistyped(error)
    where = _path(error.ctx) if error.ctx else []
    text = error.message
    param = error.param if isinstance(error, click.BadParameter) else None
    if isinstance(param, click.Option):
        where.append(max(param.opts, key=len))
    elif isinstance(error, click.BadOptionUsage):
        where.append(error.option_name)
    if isinstance(error, click.MissingParameter) and param and error.ctx:
        text = f"expected {param.make_metavar(error.ctx)}, got nothing"
    for theirs, ours in _OURS:
        text = re.sub(theirs, ours, text)
    return f"{' '.join(where) or 'kubevouch'}: {text}"


def _path(ctx: click.Context) -> list[str]:
    """The names of the command and its groups, without the name of the program."""
    return ctx.command_path.removeprefix(ctx.find_root().command_path).split()


def _mistyped(error: click.NoSuchCommand | click.NoSuchOption) -> str:
    """The message for an unknown command or option. It suggests a similar name, if one exists."""
    assert error.ctx is not None
    ctx, command = error.ctx, error.ctx.command
    if isinstance(error, click.NoSuchCommand):
        assert isinstance(command, click.Group)
        word, kind, known = error.command_name, "verb", command.list_commands(ctx)
        otherwise = f"expected one of {', '.join(known)}"
    else:
        word, kind, known = error.option_name, "option", list(_options(ctx))
        otherwise = f"`{ctx.command_path} --help` lists all options"
    known = [each for each in known if each != word]  # a known option in a wrong place
    return f"{' '.join([*_path(ctx), word])}: no such {kind}; {nearest(word, known, otherwise=otherwise)}"


def _options(ctx: click.Context) -> Iterable[str]:
    if isinstance(ctx.command, CommandGroup):
        yield from (*_WITH_VALUE, *_BARE)
    for each in ctx.command.get_params(ctx):
        if isinstance(each, click.Option) and not each.hidden:
            yield from (*each.opts, *each.secondary_opts)
