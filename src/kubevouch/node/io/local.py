"""The node is this machine: a shell here, as root."""

from collections.abc import Mapping

from kubevouch.node.destination import Destination
from kubevouch.node.errors import AnswerLost, ScriptFailed
from kubevouch.node.io import shell
from kubevouch.node.script import DialAddress, Script, ScriptResult, T, answer_in


class Local:
    """Runs scripts in a shell of this machine. One node only: the one whose machine-id is this machine's."""

    name = "local"

    def __init__(self, *, environment: Mapping[str, str]) -> None:
        self._environment = environment

    async def destination(self, host: str) -> Destination:
        """This machine, whatever it is called: it need not be looked up."""
        return Destination(host, is_known=True)

    async def run_script(
        self,
        host: str,
        script: Script[T],
        *,
        timeout: float,
        at: DialAddress | None = None,  # noqa: ARG002 - there is no other address
    ) -> ScriptResult[T]:
        """Runs the script here; `host` is only named in errors.

        Raises:
            AnswerLost: no answer within `timeout` seconds; the script was killed.
            ScriptFailed: it ended without an answer.
        """
        where = f"{host} (this machine)"
        ran = await shell.run(
            ["sh", "-s"], stdin=script.sealed(), environment=self._environment, timeout=timeout
        )
        if ran.status is None:
            raise AnswerLost(where, f"the {script.name} script did not end within {timeout:.0f} s")
        complaint = ran.stderr.decode(errors="replace").strip()
        if ran.status != 0 and not ran.stdout:
            raise ScriptFailed(
                where, f"the {script.name} script ended with {ran.status}", complaint
            )
        return ScriptResult(answer=answer_in(ran.stdout, script, where=where, complaint=complaint))
