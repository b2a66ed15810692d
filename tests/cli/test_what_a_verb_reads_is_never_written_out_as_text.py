"""An event loop of a verb: what it returns may be of five thousand nodes."""

import signal
from collections.abc import Iterator

import pytest

from kubevouch.cli.common.event_loop import run_loop


class Evidence:
    """Counts how often somebody wants it as text."""

    def __init__(self) -> None:
        self.times = 0

    def __repr__(self) -> str:
        self.times += 1
        return "all nodes"


@pytest.fixture
def python_handles_ctrl_c() -> Iterator[None]:
    """As in a terminal: asyncio takes SIGINT over, and gives it back at the end."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("python_handles_ctrl_c")
def test_the_end_of_the_loop_does_not_make_a_text_of_the_result() -> None:
    """The signal module does, in a message that it throws away, of the handler that it puts back, which holds the task."""
    evidence = Evidence()

    async def gather() -> Evidence:
        return evidence

    assert run_loop(gather()) is evidence
    assert not evidence.times
