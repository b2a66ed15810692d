"""--warn and --fail: from when on a certificate is told, and from when on the exit code is 1."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from kubevouch.inventory.limits import LifeLimit

F = TypeVar("F", bound=Callable[..., Any])


class _LimitText(click.ParamType["LifeLimit"]):
    """A time that is left, or a percentage of life that is used."""

    name = "limit"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> "LifeLimit":
        """The limit."""
        from kubevouch.inventory.limits import read_life_limit

        text = str(value)
        if (found := read_life_limit(text)) is None:
            self.fail(
                f"{text!r} is neither a time such as 30d or 12h nor a part such as 92%", param, ctx
            )
        return found


def warn_and_fail(function: F) -> F:
    """The options --warn and --fail."""
    limit = _LimitText()
    for option in (
        click.option(
            "--fail",
            type=limit,
            metavar="LIMIT",
            help="Exit with 1 from then on. Whatever has ended, is not valid yet, missing or unreadable always fails.",
        ),
        click.option(
            "--warn",
            type=limit,
            default="92%",
            show_default=True,
            metavar="LIMIT",
            help="Tell from then on. The exit code stays 0.",
        ),
    ):
        function = option(function)
    return function
