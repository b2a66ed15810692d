"""Folders that only root could change, as the kubelet's are on a real machine: the scripts refuse any other.

pytest's own folders lie in /tmp, where everybody may write. Root gets a folder of its own beneath /var/lib. Whoever is not
root gets an ordinary one, and a `stat` that calls root what is theirs, and calls the folders above it root's.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_STAT = """#!/bin/sh
[ "$1 $2" = "-c %u %a" ] || exec {stat} "$@"
shift 2
for each in "$@"; do
  case $each in {folder} | {folder}/*) seen=$({stat} -c '%u %a' "$each") || exit 1 ;; *) seen="0 755" ;; esac
  case $seen in "{uid} "*) echo "0 ${{seen#* }}" ;; *) echo "$seen" ;; esac
done
"""


@contextmanager
def roots_own_folder() -> Iterator[Path]:
    """A new folder with an empty `bin` in it, which is to come first in $PATH. Removed at the end."""
    root = os.geteuid() == 0
    folder = Path(tempfile.mkdtemp(prefix="kubevouch-test-", dir="/var/lib" if root else None))
    try:
        (folder / "bin").mkdir(mode=0o755)
        if not root:
            stat = shutil.which("stat") or "stat"
            text = _STAT.format(stat=stat, folder=folder.resolve(), uid=os.geteuid())
            (folder / "bin" / "stat").write_text(text)
            (folder / "bin" / "stat").chmod(0o755)
        yield folder.resolve()
    finally:
        shutil.rmtree(folder)
