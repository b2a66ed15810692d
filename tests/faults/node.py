"""A node on which something goes wrong at a chosen moment: while a call of the script runs, and its run is in a chosen state.

The programs that the script calls look, before they do their work, whether that moment has come. Then the case's own words
are done, once, in a shell: they know the shell of the call ($CALLED), who reads its answer ($READER), and $MACHINE, $CONFIG.
"""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kubevouch.node.errors import ScriptFailed
from kubevouch.node.script import answer_in
from kubevouch.rollout.decide.transaction import (
    NodeChange,
    TransactionAnswer,
    TransactionStep,
    render,
)
from tests.powercut.node import start
from tests.rollout.conftest import WRITERS, Machine
from tests.support.shells import place

ISSUED = b"the issued pair\n"
_PATIENCE = 120.0
_TRIES = 5
_MOMENT = """#!/bin/sh
if read -r state 2>/dev/null <"$MACHINE/at" && [ -e "$RECORD/$state" ]; then
  /bin/rm "$MACHINE/at"
  read -r CALLED READER <"$MACHINE/processes"
  . "$MACHINE/does"
fi
"""
# As far as a case has to do with it: a timer that was stopped does not fire, and a kubelet may not like its new file.
_SYSTEMCTL = (
    _MOMENT
    + """\
case "$1 $2" in
  "stop "*.timer) rm -f "$MACHINE/switch" ;;
  "restart kubelet.service")
    if [ -e "$MACHINE/new-fails" ] && grep -q serverTLSBootstrap "$CONFIG"; then
      touch "$MACHINE/down"
      echo "Job for kubelet.service failed." >&2
      exit 1
    fi
    "$MACHINE/bin/systemctl" "$@" || exit
    if [ -e "$MACHINE/new-dies" ] && grep -q serverTLSBootstrap "$CONFIG"; then touch "$MACHINE/down"; fi
    exit 0
    ;;
esac
exec "$MACHINE/bin/systemctl" "$@"
"""
)
# What the script waits for passes quickly, but for a call that waits for another one.
_SLEEP = """#!/bin/sh
exec /bin/sleep "${SLEEPS:-0.1}"
"""
# Its clock goes by what stands in a file.
_DATE = """#!/bin/sh
read -r ahead 2>/dev/null <"$MACHINE/ahead"
[ "$*" = +%s ] || exec /bin/date "$@"
echo $(($(/bin/date +%s) + ${ahead:-0}))
"""


@dataclass
class FaultyNode(Machine):
    """The node, and the shell that is its `sh`."""

    shell: str = "dash"

    @property
    def environment(self) -> Mapping[str, str]:
        """Where the script finds its programs, and they what they need."""
        above = super().environment
        return {
            **above,
            "PATH": f"{self.folder}/faulty:{above['PATH']}",
            "RECORD": str(self.root / ".kubevouch" / self.change().run),
            "CONFIG": str(self.config),
            "TMPDIR": str(self.folder / "tmp"),
        }

    def is_made(self) -> None:
        """Puts the programs in place."""
        (self.folder / "tmp").mkdir()
        texts = {name: _MOMENT + f'exec {self.program(name)} "$@"\n' for name in WRITERS}
        texts |= {"systemctl": _SYSTEMCTL, "date": _DATE, "sleep": _SLEEP}
        place(self.folder / "faulty", texts)

    def words(self, *more: str) -> list[str]:
        """The node's shell."""
        return ["busybox", "sh", *more] if self.shell == "busybox" else [self.shell, *more]

    def called(
        self, action: TransactionStep, change: NodeChange | None = None
    ) -> TransactionAnswer | None:
        """A call to its end; None if no answer has come. Where it is stopped on the way, the switch fires meanwhile.

        What it prints goes through a process of its own, as through ssh.
        """
        script = render(action, change or self.change(), self.seed())
        pipe = subprocess.PIPE
        with (
            subprocess.Popen(["cat"], stdin=pipe, stdout=pipe) as reader,
            subprocess.Popen(
                self.words("-s"),
                stdin=pipe,
                stdout=reader.stdin,
                stderr=subprocess.DEVNULL,
                env=self.environment,
                start_new_session=True,
            ) as called,
        ):
            assert reader.stdin and reader.stdout and called.stdin
            (self.folder / "processes").write_text(f"{called.pid} {reader.pid}\n")
            reader.stdin.close()
            called.stdin.write(script.sealed())
            called.stdin.close()
            until = time.monotonic() + _PATIENCE
            while called.poll() is None:
                assert time.monotonic() < until, f"{action} did not end"
                if _is_stopped(called.pid):
                    self.switch_fires()
                    os.kill(called.pid, signal.SIGCONT)
                time.sleep(0.01)
            said = reader.stdout.read()
            # A shell that was killed may leave one that it has started, which goes on with its work.
            while _has_others(called.pid):
                assert time.monotonic() < until, f"what {action} has started did not end"
                time.sleep(0.01)
        try:
            return answer_in(said, script, where="", complaint="")
        except ScriptFailed:
            return None

    def switch_fires(self) -> bool:
        """The node's own timer, as often as systemd starts it again until it succeeds; False if it never does."""
        command = self.folder / "switch"
        for _ in range(_TRIES):
            if not command.exists():
                return True
            words = self.words(*command.read_text().split()[1:])
            ran = subprocess.run(
                words, check=False, env=self.environment, capture_output=True, timeout=_PATIENCE
            )
            if ran.returncode == 0:
                return True
        return False

    def is_synced(self) -> None:
        """What the tests themselves have put there lasts. Where nothing is taken away, there is nothing to do."""

    def starts_again(self) -> None:
        """The machine, since somebody had to do something: what its start runs is run."""
        start(self)

    def gets_its_certificate(self) -> None:
        """The kubelet, if it asks for one: its pair is there, and it is `current`."""
        current, pair = (
            self.pki / "kubelet-server-current.pem",
            self.pki / "kubelet-server-2026.pem",
        )
        if b"serverTLSBootstrap" in self.config.read_bytes() and not current.is_symlink():
            pair.write_bytes(ISSUED)
            current.symlink_to(pair)

    def has_changed(self) -> bool:
        """The new configuration is in place, and a certificate that was issued."""
        current = self.pki / "kubelet-server-current.pem"
        return b"serverTLSBootstrap" in self.config.read_bytes() and (
            current.exists() and current.read_bytes() == ISSUED
        )


def _stat(process: int) -> Sequence[str]:
    """The words of proc_pid_stat(5) from the state on; none if the process has gone."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return ()


def _is_stopped(process: int) -> bool:
    return _stat(process)[:1] == ["T"]


def _has_others(leader: int) -> bool:
    """Whether a process of the session that this one has led is still at work."""
    others = (_stat(int(each.name)) for each in Path("/proc").iterdir() if each.name.isdigit())
    return any(each and each[0] not in "ZX" and each[3] == str(leader) for each in others)
