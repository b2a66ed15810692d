"""Whatever the operator's ssh configuration says of sessions, terminals and logs: a script goes there, and its answer comes back, by the real ssh."""

import asyncio
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubevouch.node.errors import NodeUnreachable
from kubevouch.node.io.ssh import Ssh

from .conftest import Sshd, needs_root, saying

pytestmark = needs_root


HOW = saying("$tty", "tty=$(tty <&2) || tty=none")
"""Whether it has a terminal."""
BENT = {
    "in the background after the login": "ForkAfterAuthentication yes",
    "without standard input": "StdinNull yes",
    "without a session": "SessionType none",
    "a subsystem": "SessionType subsystem",
    "channels that are closed": "IgnoreUnknown ChannelTimeout\n  ChannelTimeout session=1ms",
    "a terminal": "RequestTTY force",
    "a command of its own": "RemoteCommand id",
    "a command on this machine": "PermitLocalCommand yes\n  LocalCommand touch {folder}/by-ssh",
    "a connection that is shared": "ControlMaster auto\n  ControlPersist yes\n  ControlPath {folder}/by-ssh-%C",
    "a shared connection that is asked for": "ControlMaster autoask\n  ControlPath {folder}/by-ssh-%C",
    "forwardings that must not fail": "ExitOnForwardFailure yes\n  LocalForward 127.0.0.1:1 127.0.0.1:1",
    "nothing in its log": "LogLevel QUIET",
    "where each line of its log comes from": "LogVerbose *:*:*",
    "a picture of the host key": "VisualHostKey yes",
    "all of them": "ForkAfterAuthentication yes\n  StdinNull yes\n  SessionType none\n  RequestTTY force\n  LogVerbose *",
}


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where sockets and logs are made; short, as a socket's path must be."""
    with tempfile.TemporaryDirectory(prefix="kv", dir="/tmp") as made:
        monkeypatch.setattr(tempfile, "tempdir", made)
        yield Path(made)


def configured(sshd: Sshd, folder: Path, text: str, **environment: str) -> Ssh:
    config = folder / "config"
    said = text.replace("{folder}", str(folder))
    config.write_text(f"Host *\n  {said}\n{sshd.config.read_text()}")
    return Ssh(str(config), environment={**os.environ, **environment})


def left(folder: Path) -> list[str]:
    """Command lines of processes that were started with this folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if str(folder) in line:
            found.append(line)
    return found


async def all_ended(folder: Path) -> None:
    async with asyncio.timeout(30):
        while left(folder):
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("bent", BENT)
async def test_a_script_goes_there_and_its_answer_comes_back(
    sshd: Sshd, folder: Path, bent: str
) -> None:
    ssh = configured(sshd, folder, BENT[bent])
    result = await ssh.run_script("node-1", HOW, timeout=20)
    assert result.answer.said == "none"
    assert (result.host_key, result.dialled) == (sshd.host_key, "127.0.0.1")
    assert result.known_as
    await all_ended(folder)
    assert [each.name for each in folder.iterdir()] == ["config"]


@pytest.mark.parametrize(
    "bent", ["NoHostAuthenticationForLocalhost yes", "VerifyHostKeyDNS yes", "StrictHostKeyChecking off"]
)  # fmt: skip
async def test_an_unknown_host_key_is_refused(sshd: Sshd, folder: Path, bent: str) -> None:
    """It is known for 127.0.0.1, and for no other name or address."""
    [port] = set(re.findall(r"Port \d+", sshd.config.read_text()))
    ssh = configured(sshd, folder, f"{bent}\nHost 127.0.0.2\n  {port}")
    for host in ("stranger", "127.0.0.2"):
        with pytest.raises(NodeUnreachable, match="Host key verification failed"):
            await ssh.run_script(host, HOW, timeout=20)


OLD = """#!/bin/sh
# An ssh from before these settings.
for word; do
  case $word in
    SessionType=* | StdinNull=* | ForkAfterAuthentication=* | LogVerbose=* | ChannelTimeout=* | SetEnv=*)
      echo "command-line: line 0: Bad configuration option: ${word%%=*}" >&2
      exit 255 ;;
  esac
done
exec @SSH@ "$@"
"""


async def test_an_ssh_that_knows_no_such_setting_is_given_none(sshd: Sshd, folder: Path) -> None:
    found = shutil.which("ssh")
    assert found
    with tempfile.TemporaryDirectory(prefix="kvold", dir="/tmp") as programs:
        (Path(programs) / "ssh").write_text(OLD.replace("@SSH@", found))
        (Path(programs) / "ssh").chmod(0o755)
        ssh = configured(sshd, folder, "RequestTTY force", PATH=f"{programs}:{os.environ['PATH']}")
        result = await ssh.run_script("node-1", HOW, timeout=20)
    assert (result.answer.said, result.host_key) == ("none", sshd.host_key)
    await all_ended(folder)


LATE = """#!/bin/sh
case " $* " in
*" -E "*) : > "@FOLDER@/begun"; while [ -d "@FOLDER@" ] && [ ! -e "@FOLDER@/go" ]; do sleep 0.02; done ;;
esac
exec @SSH@ "$@"
"""
"""An ssh that starts only after we are gone."""
ALONE = """
import asyncio, os, sys
from kubevouch.node.io.ssh import Ssh
from tests.node.conftest import saying
ssh = Ssh(sys.argv[1], environment=dict(os.environ))
asyncio.run(ssh.run_script("node-1", saying("hello"), timeout=60))
"""


async def test_an_ssh_that_outlives_us_still_ends(sshd: Sshd, folder: Path) -> None:
    """Nobody reads its log any more."""
    found = shutil.which("ssh")
    assert found
    configured(sshd, folder, "RequestTTY no")
    with tempfile.TemporaryDirectory(prefix="kvlate", dir="/tmp") as programs:
        (Path(programs) / "ssh").write_text(
            LATE.replace("@SSH@", found).replace("@FOLDER@", programs)
        )
        (Path(programs) / "ssh").chmod(0o755)
        environment = {
            **os.environ,
            "PATH": f"{programs}:{os.environ['PATH']}",
            "TMPDIR": str(folder),
        }
        ours = await asyncio.create_subprocess_exec(
            sys.executable, "-c", ALONE, str(folder / "config"), env=environment
        )
        async with asyncio.timeout(30):
            while not (Path(programs) / "begun").exists():
                await asyncio.sleep(0.02)
        ours.kill()
        await ours.wait()
        assert left(folder)
        (Path(programs) / "go").touch()
        await all_ended(folder)
