"""Whether this machine can mount file systems that lie in files."""

import os
import shutil
import subprocess
from pathlib import Path

from real.powercut.disks import FileSystem
from real.processes import held


def why_not(system: FileSystem, *devices: str) -> str:
    """What lacks for it, and for these devices besides; empty where it can be mounted."""
    if os.geteuid() != 0:
        return "mounting needs root"
    for device in ("/dev/loop-control", *devices):
        if not Path(device).exists():
            return f"there is no {device}"
    program = system.made[0]
    if shutil.which(program) is None:
        return f"there is no {program} (Debian: {system.package})"
    words = [str(word) for word in held(["true"])]
    tried = subprocess.run(words, check=False, capture_output=True, text=True)
    return tried.stderr.strip() if tried.returncode else ""
