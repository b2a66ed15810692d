"""What a pod's containers run, as the processes that they are: here the host is another mount namespace of this machine."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubevouch.node.messages import (
    NOT_ENTERED,
    SCRIPT_VARIABLE,
    PodAnswer,
    answer_from,
    packed_script,
)

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("unshare") is None, reason="namespaces are root's, on Linux"
)
IN_POD = (sys.executable, "-m", "kubevouch.node.io.in_pod")
# The machine has a host name and a file of its own, which nobody outside sees.
HOST = """\
mount -t tmpfs host /mnt && echo of the host >/mnt/file && hostname the-host && echo ready && exec cat
"""
PRINTED = (
    """printf 'kubevouch-answer: {"said":"%s"}\\n' "$(hostname) $(cat /mnt/file) $(id -u) $PATH" """
)


@pytest.fixture
def host() -> Iterator[int]:
    """The first process of a host."""
    words = ["unshare", "--mount", "--uts", "sh", "-c", HOST]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        yield process.pid
        assert process.stdin
        process.stdin.close()


def _started(
    script: str, host: int, folder: Path, *, seconds: int = 60
) -> "subprocess.Popen[bytes]":
    sealed = f"main() {{\n{script}\n}}\nmain </dev/null\n".encode()
    paths = [str(folder / name) for name in ("message", "2", "3")]
    return subprocess.Popen(
        [*IN_POD, "run", str(host), str(seconds), *paths],
        env={**os.environ, SCRIPT_VARIABLE: packed_script(sealed)},
    )


def _said(script: str, host: int, folder: Path, *, seconds: int = 60) -> PodAnswer:
    assert _started(script, host, folder, seconds=seconds).wait(60) == 0
    return answer_from([(folder / "message").read_text()], where="node-1")


def test_the_script_runs_as_root_in_the_hosts_own_files(host: int, tmp_path: Path) -> None:
    said = _said(f"{PRINTED}; echo oh >&2; exit 3", host, tmp_path)
    path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    assert said == PodAnswer(3, {"said": f"the-host of the host 0 {path}"}, "oh")
    assert not Path("/mnt/file").exists()


def test_the_script_stands_in_no_environment_there(host: int, tmp_path: Path) -> None:
    said = _said("env >&2; tr '\\0' '\\n' </proc/$$/environ >&2", host, tmp_path)
    assert SCRIPT_VARIABLE not in said.complaint


def test_a_script_that_does_not_end_is_ended(host: int, tmp_path: Path) -> None:
    assert _said("sleep 60", host, tmp_path, seconds=1).status is None


def test_a_script_that_has_begun_goes_on_when_its_pod_is_removed(host: int, tmp_path: Path) -> None:
    mark = tmp_path / "begun"
    os.mkfifo(mark)
    process = _started(f"echo >{mark}; read -r go <{mark}; {PRINTED}", host, tmp_path)
    mark.read_text()
    process.send_signal(signal.SIGTERM)
    mark.write_text("go\n")
    assert process.wait(60) == 0
    said = answer_from([(tmp_path / "message").read_text()], where="node-1")
    assert said.status == 0
    assert said.answer is not None


def test_a_host_that_cannot_be_entered_runs_nothing_and_says_why(tmp_path: Path) -> None:
    said = _said("echo ran", 2**22 - 1, tmp_path)
    assert said.status == NOT_ENTERED
    assert (
        said.complaint
        == f"cannot enter the host: /proc/{2**22 - 1}/root: No such file or directory"
    )


def test_whoever_may_not_enter_is_told_which_namespace(host: int, tmp_path: Path) -> None:
    words = ["setpriv", "--bounding-set=-sys_admin", *IN_POD, "enter", str(host)]
    ran = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == NOT_ENTERED
    assert "cannot enter the host: " in ran.stderr


def test_what_one_message_cannot_hold_is_handed_on_by_others(host: int, tmp_path: Path) -> None:
    script = """printf 'kubevouch-answer: {"said":"%s"}\\n' "$(head -c 6000 /dev/urandom | base64 | tr -d '\\n')" """
    assert _started(script, host, tmp_path).wait(60) == 0
    for number in (2, 3):
        files = (tmp_path / str(number), tmp_path / f"message-{number}")
        subprocess.run([*IN_POD, "show", *files], check=True)
    assert not (tmp_path / "message-3").exists()
    messages = [(tmp_path / name).read_text() for name in ("message", "message-2")]
    said = answer_from(messages, where="node-1")
    assert len(said.answer["said"]) == 6000
