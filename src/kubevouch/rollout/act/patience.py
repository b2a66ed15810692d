"""Waits for an API server that does not answer for a while: one that is restarted, or whose load balancer changes over."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from kubevouch.kube.errors import (
    Conflict,
    CredentialError,
    Forbidden,
    KubeError,
    NotFound,
    Unauthorized,
)
from kubevouch.rollout.act.context import RolloutContext

T = TypeVar("T")

_PAUSE = 1.0
_ANSWERS = (Conflict, CredentialError, Forbidden, NotFound, Unauthorized)
"""It has answered, or will not answer otherwise if it is asked again."""


async def once_it_answers(
    ask: Callable[[], Awaitable[T]], context: RolloutContext, node: str, seconds: float
) -> T:
    """What `ask` returns. It is called again while the API server does not answer, for so many seconds, unless the operator wants to stop.

    To be used only where nothing is under way that waits for what comes next.

    Raises:
        KubeError: it still does not answer, or what it answers is an error.
        KubevouchError: as `ask` does.
    """
    clock = context.clock
    began = clock.monotonic()
    while True:
        try:
            return await ask()
        except KubeError as error:
            is_over = clock.monotonic() - began > seconds or context.stop()
            if isinstance(error, _ANSWERS) or is_over:
                raise
            context.progress.waiting(node, f"the API server ({error})")
        await clock.sleep(_PAUSE)
