"""Runs the program with another wall clock: `python -m tests.support.wrong_clock SECONDS python -m kubevouch WORDS`.

As on a machine whose clock is so many seconds ahead: the product reads it in one place. TLS is OpenSSL's, which keeps the
true time; its certificates are good for a year.
"""

import runpy
import sys
from datetime import datetime, timedelta

from kubevouch.system_clock import SystemClock


def main() -> None:
    """The first word is taken away, and the rest run as they stand."""
    ahead = timedelta(seconds=float(sys.argv[1]))
    true = SystemClock.now

    def now(clock: SystemClock) -> datetime:
        return true(clock) + ahead

    SystemClock.now = now  # type: ignore[assignment, method-assign]
    _, flag, module, *words = sys.argv[2:]
    assert flag == "-m"
    sys.argv = [module, *words]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
