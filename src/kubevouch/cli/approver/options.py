"""Options that `approver install` and `approver upgrade` share."""

from collections.abc import Callable
from typing import Any, TypeVar

import click

from kubevouch.cli.common.options import seconds

F = TypeVar("F", bound=Callable[..., Any])


NO_PUBLIC_IMAGE = (
    "There is no public image yet: `make image` in a checkout builds one (docs/image.md). Push it to a registry of "
    "yours, and name it with its digest."
)


class _Image(click.ParamType[str]):
    """An image's name, as any text; where it is missing, the error says where an image comes from."""

    name = "image"

    def get_missing_message(self, *_: object, **__: object) -> str:
        """What is said besides "Missing option"."""
        return NO_PUBLIC_IMAGE


def applying(function: F) -> F:
    """Which image, who may decide, and how it is applied."""
    for option in (
        click.option("--yes", is_flag=True, help="Do not ask; needed where there is no terminal."),
        click.option(
            "--wait",
            type=seconds,
            default="2m",
            show_default=True,
            metavar="DURATION",
            help="How long to wait until the pods are ready and one leads.",
        ),
        click.option("--dry-run", is_flag=True, help="Only show what would be changed."),
        click.option(
            "--force-conflicts",
            "force",
            is_flag=True,
            help="Take over fields that another manager owns.",
        ),
        click.option(
            "--may-approve-user",
            "users",
            multiple=True,
            metavar="USER",
            help="The admission policy lets this user decide on CSRs of kubelets. May be repeated.",
        ),
        click.option(
            "--may-approve-group",
            "groups",
            multiple=True,
            metavar="GROUP",
            help="The admission policy lets this group decide on CSRs of kubelets. May be repeated.",
        ),
        click.option(
            "--enforce/--no-enforce",
            default=None,
            help="Admission policies refuse, or only warn. Default: as they are; at first they warn.",
        ),
        click.option(
            "--image",
            type=_Image(),
            required=True,
            metavar="NAME@sha256:DIGEST",
            help="The image, by its digest.",
        ),
    ):
        function = option(function)
    return function
