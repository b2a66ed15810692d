"""A machine into which somebody logs in who is not root: a real sshd, a user with a password, the real sudo, and PAM.

Its /etc, /var/lib, /run and logs are its own, in a mount namespace that ends with it: nothing of this machine is changed.
"""

import contextlib
import os
import re
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from kubevouch.node.io.ssh import Ssh
from real.processes import held

NEEDS = ("sudo", "useradd", "chpasswd", "nsenter", "unshare", "setpriv")
USER = "ops"
PASSWORD = 'it\'s a "pass word" of $HOME, `id` and \\ and %s'
KEYS = "/etc/ssh/keys-of-the-test"
SHELLS = "/bin/sh, /usr/bin/sh"

_LOG = "/var/log/sudo.log"
_PRIVATE = f"""
set -eu
passwords=$1
shift
mount -t tmpfs -o mode=755 none /mnt
for each in /etc /var/lib; do
  mkdir -p /mnt/upper$each /mnt/work$each
  mount -t overlay -o lowerdir=$each,upperdir=/mnt/upper$each,workdir=/mnt/work$each none $each
done
for each in /run /var/log; do
  mount -t tmpfs -o mode=755 none $each
done
mkdir -p /run/sshd /etc/sudoers.d
mkdir -m 755 /var/lib/kubelet
useradd --no-create-home --home-dir / --shell /bin/sh {USER} 2>/dev/null
chpasswd <"$passwords"
rm "$passwords"
: >{KEYS}
exec "$@"
"""


def private(folder: Path) -> list[str | Path]:
    """The words before those of a program that is to run on such a machine."""
    passwords = folder / "passwords"
    passwords.write_text(f"{USER}:{PASSWORD}\n")
    return held(["sh", "-c", _PRIVATE, "sh", passwords])


def why_not(folder: Path) -> str:
    """Why this machine can make none (a container that may not mount); empty if it can."""
    words = [str(word) for word in (*private(folder), "true")]
    tried = subprocess.run(words, check=False, capture_output=True, text=True, timeout=60)
    return tried.stderr.strip() or f"ended with {tried.returncode}" if tried.returncode else ""


@dataclass(frozen=True)
class SudoHost:
    """The machine, and the way to it as `node-1`. folder: for what a test keeps. process: what was started."""

    folder: Path
    config: Path
    process: int

    def ssh(self, **options: object) -> Ssh:
        """The product's, as that user."""
        return Ssh(str(self.config), USER, environment=os.environ, **options)  # type: ignore[arg-type]

    def allows(self, *lines: str) -> None:
        """From now on sudo goes by these lines, besides the machine's own, and has forgotten who gave a password, and its log."""
        text = "".join(f"{line}\n" for line in (f"Defaults logfile={_LOG}", *lines))
        self._sh(
            "rm -rf /run/sudo/ts /var/log/sudo* && cat >/etc/sudoers.new && chmod 440 /etc/sudoers.new && "
            "visudo -cqf /etc/sudoers.new && mv /etc/sudoers.new /etc/sudoers.d/of-the-test",
            text,
        )

    def lets_in(self, key: str) -> None:
        """Whoever has that key."""
        self._sh(f"cat >{KEYS}", key)

    def log(self) -> str:
        """What sudo has written down since it goes by other lines."""
        return self._sh(f"cat {_LOG} 2>/dev/null || :")

    def remembers(self) -> bool:
        """Whether sudo has written down that somebody gave a password."""
        return self._sh("find /run/sudo/ts -type f -size +0 2>/dev/null || :") != ""

    def has_password(self, word: str) -> None:
        """From now on that is the user's."""
        self._sh("chpasswd", f"{USER}:{word}\n")

    @contextlib.contextmanager
    def counting_failures(self, rules: str) -> Iterator[Callable[[], int]]:
        """While it is open sudo goes by these rules of PAM. What it yields tells how many failed logins pam_faillock has counted."""
        former = self._sh("cat /etc/pam.d/sudo")
        self._sh("rm -rf /run/faillock; mkdir -p /run/faillock; cat >/etc/pam.d/sudo", rules)
        try:
            yield lambda: len(re.findall(r" V$", self._sh(f"faillock --user {USER}"), re.MULTILINE))
        finally:
            self._sh("cat >/etc/pam.d/sudo", former)

    def gives_password(self) -> None:
        """The user gives it to sudo, as somebody who has logged in."""
        self._sh(
            f"setpriv --reuid {USER} --regid {USER} --clear-groups sudo -S -p '' sh -c :",
            f"{PASSWORD}\n",
        )

    def holding(self, word: str) -> list[str]:
        """Files of its own in which this word stands, and processes in whose command line or environment it does."""
        places = "/etc /run /mnt/upper /var/log /dev/shm"
        return self._sh(
            f"cat >/mnt/word; grep -rlaF -f /mnt/word {places} 2>/dev/null || :; "
            "find /tmp -maxdepth 1 -type f -newer /mnt/upper -exec grep -laF -f /mnt/word {} + 2>/dev/null || :; "
            "grep -laF -f /mnt/word /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null || :",
            word,
        ).splitlines()

    def runs(self, program: str) -> bool:
        """Whether a process of that name is there."""
        return self._sh(f"grep -lx {program} /proc/[0-9]*/comm 2>/dev/null || :") != ""

    def has(self, path: str) -> bool:
        """Whether there is such a file."""
        return self._sh(f"[ ! -e {path} ] || echo yes") != ""

    def put(self, path: str) -> None:
        """An empty file."""
        self._sh(f": >{path}")

    def _sh(self, script: str, stdin: str = "") -> str:
        words: Sequence[str] = ["nsenter", "-t", str(self._leader), "-m", "-p", "sh", "-ec", script]
        ran = subprocess.run(
            words, check=False, input=stdin, capture_output=True, text=True, timeout=60
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    @property
    def _leader(self) -> int:
        [child] = Path(f"/proc/{self.process}/task/{self.process}/children").read_text().split()
        return int(child)
