"""A signal that ends a verb may meet any of its tasks: who has sent it is told nothing about tasks."""

import asyncio
import gc
import signal

import pytest

from kubevouch.cli.common.connect import run_loop
from kubevouch.cli.common.signals import ended_as_by_ctrl_c


def test_sigterm_in_the_middle_of_a_task_leaves_no_word_about_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """As in the background of a script, where SIGINT is ignored and asyncio looks for none."""

    async def draws() -> None:
        signal.raise_signal(signal.SIGTERM)

    async def work() -> None:
        drawing = asyncio.create_task(draws())
        try:
            await asyncio.Event().wait()
        finally:
            await drawing

    # As a program starts: coverage.py has a handler of SIGTERM of its own.
    dispositions = {signal.SIGINT: signal.SIG_IGN, signal.SIGTERM: signal.SIG_DFL}
    before = {each: signal.signal(each, to) for each, to in dispositions.items()}
    try:
        with ended_as_by_ctrl_c(), pytest.raises(KeyboardInterrupt):
            run_loop(work())
    finally:
        for each, former in before.items():
            signal.signal(each, former)
    gc.collect()
    assert caplog.messages == []


def test_a_task_that_failed_and_that_nobody_waits_for_is_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fails() -> None:
        raise ValueError("by a fault of ours")

    async def work() -> None:
        task = asyncio.create_task(fails())
        await asyncio.sleep(0)
        assert task.done()

    run_loop(work())
    gc.collect()
    [said] = caplog.messages
    assert said.startswith("Task exception was never retrieved")
