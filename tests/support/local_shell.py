"""Runs scripts in a shell of this machine, in place of a node's."""

import os
from collections.abc import Mapping
from pathlib import Path

from kubevouch.node.destination import Destination
from kubevouch.node.errors import AnswerLost, ScriptFailed
from kubevouch.node.io.shell import run
from kubevouch.node.script import DialAddress, Script, ScriptResult, T, answer_in
from tests.support.shells import place


class Local:
    """Its environment is all that a script gets."""

    name = "local"

    def __init__(self, *, environment: Mapping[str, str]) -> None:
        self._environment = environment

    async def destination(self, host: str) -> Destination:
        return Destination(host, is_known=True)

    async def run_script(
        self,
        host: str,
        script: Script[T],
        *,
        timeout: float,
        at: DialAddress | None = None,
    ) -> ScriptResult[T]:
        where = f"{host} (this machine)"
        ran = await run(
            ["sh", "-s"], stdin=script.sealed(), environment=self._environment, timeout=timeout
        )
        if ran.status is None:
            raise AnswerLost(where, f"the {script.name} script did not end within {timeout:.0f} s")
        complaint = ran.stderr.decode(errors="replace").strip()
        if ran.status != 0 and not ran.stdout:
            raise ScriptFailed(
                where, f"the {script.name} script exited with {ran.status}", complaint
            )
        return ScriptResult(answer=answer_in(ran.stdout, script, where=where, complaint=complaint))


_SSH = """#!/bin/sh
for word in "$@"; do
  [ "$word" != -G ] || exit 0
  [ "$before" != -E ] || log=$word
  before=$word
done
{
  echo 'debug1: Server host key: ssh-ed25519 SHA256:key'
  echo "debug1: Host 'w1' is known and matches the ED25519 host key"
  echo 'Authenticated to w1'
} >"$log"
"""


def with_ssh(folder: Path, text: str) -> str:
    """A PATH on which `ssh` leads to a machine with the key of `recorded`, where this runs in place of each script."""
    place(folder / "bin", {"ssh": _SSH + text})
    return f"{folder / 'bin'}:{os.environ['PATH']}"
