"""Carrying a script: locally, and by the real ssh to a real sshd."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from kubevouch.node.errors import AnswerLost, NodeUnreachable, ScriptFailed
from kubevouch.node.io.ssh import Ssh
from kubevouch.node.script import DialAddress
from tests.support.local_shell import Local

from .conftest import Sshd, needs_root, saying, script

HELLO = saying("hello", "echo noise of a login shell")


@pytest.fixture
def local() -> Local:
    return Local(environment=os.environ)


MARK = "kubevouch-answer: "
ANSWERS = {
    # what is run, and what it is taken to have said
    "a local shell": (HELLO.text, "hello"),
    "the last of two": (f"""echo '{MARK}{{"said":"early"}}'; echo '{MARK}{{"said":"late"}}'""", "late"),
    "a script that cannot eat the rest of it": (f"cat >/dev/null\n{HELLO.text}", "hello"),
    "a flood, which is bounded": (f"head -c 40000000 /dev/zero >&2\n{HELLO.text}", "hello"),
    "a child that stays, and is not waited for": (f"sleep 300 & echo $! >&2\n{HELLO.text}", "hello"),
}  # fmt: skip
NO_ANSWERS = {
    "a complaint": ("echo no space left >&2", r"no answer; .*no space left"),
    "another shape": (f"echo '{MARK}{{\"said\":1}}'", "cannot be read"),
    "cut in the middle": (f"printf '{MARK}{{\"sa'", "cannot be read"),
}


@pytest.mark.parametrize(("text", "said"), ANSWERS.values(), ids=ANSWERS)
async def test_a_local_shell_answers(local: Local, text: str, said: str) -> None:
    async with asyncio.timeout(120):
        assert (await local.run_script("node-1", script(text), timeout=250)).answer.said == said


@pytest.mark.parametrize(("text", "why"), NO_ANSWERS.values(), ids=NO_ANSWERS)
async def test_what_is_no_answer_is_told(local: Local, text: str, why: str) -> None:
    with pytest.raises(ScriptFailed, match=why):
        await local.run_script("node-1", script(text), timeout=60)


async def test_a_script_that_is_cut_off_runs_nothing(tmp_path: Path) -> None:
    """`sh -s` runs what it has read: a script without its last line must not have begun."""
    mark = tmp_path / "mark"
    sealed = script(f"touch {mark}\n" + "true\n" * 5000).sealed()
    for length in (len(sealed) // 2, len(sealed) - 20):
        process = await asyncio.create_subprocess_exec(
            "sh", "-s", stdin=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
        )
        await process.communicate(sealed[:length])
        assert not mark.exists()
    process = await asyncio.create_subprocess_exec("sh", "-s", stdin=asyncio.subprocess.PIPE)
    await process.communicate(sealed)
    assert mark.exists()


async def test_a_script_that_hangs_is_killed_with_its_children(
    local: Local, tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    hangs = script(f"sleep 1000 & echo $! >{pids}\nwait")
    with pytest.raises(AnswerLost, match="did not end within"):
        await local.run_script("node-1", hangs, timeout=2)
    with pytest.raises(ProcessLookupError):
        _reap(int(pids.read_text()))


def _reap(pid: int) -> None:
    """Raises ProcessLookupError when the process is gone or only a zombie is left of it."""
    os.kill(pid, 0)
    state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    if state == "Z":
        raise ProcessLookupError
    os.kill(pid, signal.SIGKILL)


def test_a_script_is_never_shown() -> None:
    assert "secret" not in repr(script("key=secret"))


@needs_root
async def test_an_address_is_the_hosts_if_its_key_answers_there(sshd: Sshd) -> None:
    known_as = (await sshd.ssh().run_script("node-1", HELLO, timeout=60)).known_as
    assert known_as
    place = DialAddress("127.0.0.1", known_as)
    carried = await sshd.ssh().run_script("node-1", HELLO, timeout=60, at=place)
    assert (carried.answer.said, carried.host_key) == ("hello", sshd.host_key)
    with pytest.raises(NodeUnreachable):
        await sshd.ssh().run_script(
            "node-1", HELLO, timeout=60, at=DialAddress("127.0.0.1", "somebody-else")
        )


@needs_root
async def test_what_the_far_side_prints_proves_nothing(sshd: Sshd) -> None:
    """Standard error is the far side's to write to: lines like ssh's own are not ssh's."""
    forged = script(
        "echo 'debug1: Server host key: ssh-ed25519 SHA256:forged' >&2\n"
        "echo \"debug1: Host 'vip' is known and matches the ED25519 host key.\" >&2\n" + HELLO.text
    )
    carried = await sshd.ssh().run_script("node-1", forged, timeout=60)
    assert carried.host_key == sshd.host_key
    assert carried.known_as != "vip"


@needs_root
async def test_nothing_of_the_operators_goes_along_and_keys_are_always_checked(sshd: Sshd) -> None:
    """Whatever their configuration says."""
    config = sshd.folder / "generous"
    config.write_text(
        "Host *\n  ForwardAgent yes\n  ForwardX11 yes\n  StrictHostKeyChecking no\n"
        "  SetEnv SECRET_2=y LC_ALL=tr_TR.UTF-8 ENV=/etc/profile\n  SetEnv SECRET_3=z\n"
        "  RemoteCommand id\n  ControlMaster auto\n  ControlPersist yes\n"
        f"  ControlPath {sshd.folder}/mux-%C\n" + sshd.config.read_text()
    )
    ssh = Ssh(str(config), environment=os.environ)
    looks = saying("$SSH_AUTH_SOCK$DISPLAY$SECRET_2$SECRET_3$LC_ALL$ENV")
    async with asyncio.timeout(60):
        assert (await ssh.run_script("node-1", looks, timeout=50)).answer.said == ""
    assert list(sshd.folder.glob("mux-*")) == []
    with pytest.raises(NodeUnreachable, match="Host key verification failed"):
        await ssh.run_script("stranger", HELLO, timeout=60)


@needs_root
async def test_what_send_env_names_goes_along_where_sshd_accepts_it(sshd: Sshd) -> None:
    """No option takes it back: `SendEnv -*` on the command line comes before what the configuration adds. Docs say so."""
    config = sshd.folder / "sends"
    config.write_text(f"Host *\n  SendEnv LC_* GIVEN\n{sshd.config.read_text()}")
    environment = {**os.environ, "GIVEN": "x", "LC_ALL": "tr_TR.UTF-8"}
    ssh = Ssh(str(config), environment=environment)
    looks = saying("$GIVEN $LC_ALL")
    async with asyncio.timeout(60):
        found = await ssh.run_script("node-1", looks, timeout=50)
    assert found.answer.said == "x tr_TR.UTF-8"


@pytest.mark.parametrize(
    ("host", "user", "why"),
    [
        ("stranger", "", "Host key verification failed"),
        ("node-1", "nobody-of-that-name", "Permission denied"),
        ("closed", "", "Connection refused"),
    ],
)
async def test_why_ssh_does_not_get_in_is_said(sshd: Sshd, host: str, user: str, why: str) -> None:
    config = sshd.folder / "with-closed"
    closed = "Host closed\n HostName 127.0.0.1\n Port 1\n"
    config.write_text(closed + sshd.config.read_text())
    ssh = Ssh(str(config), user, environment=os.environ)
    with pytest.raises(NodeUnreachable, match=why):
        await ssh.run_script(host, HELLO, timeout=60)


@pytest.mark.parametrize(
    "host", ["-oProxyCommand=touch x", "", "a b", "a;b", "$(id)", "a\nb", "-", "node-1"]
)
async def test_a_host_that_ssh_would_misread_and_a_machine_without_ssh(
    host: str,
) -> None:
    ssh = Ssh(environment={"PATH": "/nowhere"})
    why = "ssh: cannot be started" if host == "node-1" else "not a host name"
    with pytest.raises(NodeUnreachable, match=why):
        await ssh.run_script(host, HELLO, timeout=60)
