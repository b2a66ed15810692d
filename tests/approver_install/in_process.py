"""kubevouch in this process, in a thread beside the server of the test: a start of Python costs more than most commands."""

import asyncio
import io
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass

from tests.cli.program import Program, Ran, has_ended


@dataclass
class InProcess(Program):
    """What it prints, and its exit code. At a terminal it is a process of its own."""

    async def __call__(
        self,
        *words: str,
        stdin: bytes = b"",
        environment: Mapping[str, str] = {},
        code: int | None = None,
    ) -> Ran:
        assert not stdin
        ran = await asyncio.to_thread(self._run, words, {**self._environment, **environment})
        assert "Traceback" not in ran.err, ran
        return has_ended(ran, code)

    def _run(self, words: tuple[str, ...], environment: Mapping[str, str]) -> Ran:
        from kubevouch.cli.app import run

        out, err = io.StringIO(), io.StringIO()
        kept = sys.stdin
        with redirect_stdout(out), redirect_stderr(err):
            sys.stdin = io.StringIO()
            try:
                code = run(words, program="kubevouch", environment=environment)
            finally:
                sys.stdin = kept
        return Ran(code, out.getvalue(), err.getvalue())
