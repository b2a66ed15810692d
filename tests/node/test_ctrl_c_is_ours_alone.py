"""A terminal sends Ctrl-C to all that belongs to us: what we have begun on a node ends in order, and so is never reached by it."""

import contextlib
import os
import signal
import subprocess
import sys
import time

_STARTS = 150
_BREATH = 0.0002
"""Seconds between two of them: a start takes some ten times as long, and who gets nothing but signals starts nothing."""

_PROGRAM = f"""
import asyncio, os, signal
from kubevouch.node.io import shell

async def main():
    pressed = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, pressed.set)
    print("ready", flush=True)
    left = set()
    for _ in range({_STARTS}):
        both = (shell.run(["true"], stdin=b"", environment=os.environ, timeout=600) for _ in "ab")
        left |= {{each.status for each in await asyncio.gather(*both)}}
    print(*left, flush=True)
    pressed.clear()
    await pressed.wait()
    print("pressed", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def test_ctrl_c_at_any_moment_of_a_start_ends_no_script_and_is_not_lost() -> None:
    """Also in the moment at which a process is there and has no session of its own yet."""
    program = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM], stdout=subprocess.PIPE, start_new_session=True
    )
    assert program.stdout is not None
    said = b""
    with program:
        try:
            assert program.stdout.readline() == b"ready\n"
            os.set_blocking(program.stdout.fileno(), False)
            while said.count(b"\n") < 2 and program.poll() is None:
                os.killpg(program.pid, signal.SIGINT)
                time.sleep(_BREATH)
                with contextlib.suppress(BlockingIOError):
                    said += os.read(program.stdout.fileno(), 4096)
        finally:
            program.kill()
    assert said == b"0\npressed\n"
