"""A kubevouch in the background."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TextIO, cast

from tests.cli.program import Ran

CHECKOUT = Path(__file__).parents[2]
KUBEVOUCH = [sys.executable, "-m", "kubevouch"]


class Running:
    """A kubevouch in the background, both of its streams read as they come."""

    def __init__(self, argv: list[str], environment: dict[str, str]) -> None:
        # Under nohup, SIGHUP would be ignored here, too, and by kubevouch.
        self._process = subprocess.Popen(
            ["env", "--default-signal=HUP", *argv],
            cwd=CHECKOUT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._text = {"out": "", "err": ""}
        self._news = threading.Condition()
        assert self._process.stdout
        assert self._process.stderr
        streams = {"out": self._process.stdout, "err": self._process.stderr}
        self._readers = [
            threading.Thread(target=self._read, args=(name, cast("TextIO", stream)), daemon=True)
            for name, stream in streams.items()
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, name: str, stream: TextIO) -> None:
        with stream:
            for line in stream:
                with self._news:
                    self._text[name] += line
                    self._news.notify_all()

    def wait_for(self, text: str, seconds: float = 120) -> str:
        """Waits until it has printed that (either stream); returns all so far."""
        end = time.monotonic() + seconds
        with self._news:
            # Its end alone is no news.
            while not (found := text in self._all() or self._ended()) and time.monotonic() < end:
                self._news.wait(1.0)
            assert found, f"{text!r} was not printed within {seconds} s:\n{self._all()}"
            assert text in self._all(), f"it ended without {text!r}:\n{self._all()}"
            return self._all()

    def wait_for_lines(self, count: int) -> None:
        """Until it has printed so many, or has ended."""
        end = time.monotonic() + 120
        with self._news:
            while self._all().count("\n") < count and not self._ended():
                assert time.monotonic() < end, self._all()
                self._news.wait(0.1)

    def _all(self) -> str:
        return self._text["out"] + self._text["err"]

    def _ended(self) -> bool:
        return self._process.poll() is not None and not any(r.is_alive() for r in self._readers)

    def interrupt(self) -> None:
        """Ctrl-C."""
        self._process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        """SIGKILL to it and its children."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self.finish(30)

    def stop(self) -> None:
        """SIGSTOP: it goes on when it is continued."""
        os.killpg(self._process.pid, signal.SIGSTOP)

    def carry_on(self) -> None:
        """SIGCONT after `stop`."""
        os.killpg(self._process.pid, signal.SIGCONT)

    def end(self) -> None:
        """SIGTERM, as a pod is ended."""
        os.killpg(self._process.pid, signal.SIGTERM)

    def finish(self, seconds: float = 600) -> Ran:
        """Waits for its end."""
        code = self._process.wait(timeout=seconds)
        for reader in self._readers:
            reader.join(timeout=30)
        return Ran(code, self._text["out"], self._text["err"])
