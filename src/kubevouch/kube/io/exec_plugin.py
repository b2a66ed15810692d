"""Exec plugins: programs named in a kubeconfig that print a credential (client.authentication.k8s.io v1, v1beta1).

As in client-go's plugin/pkg/client/auth/exec/exec.go, a plugin is found in our PATH and writes to
our stderr. It gets our environment, the variables in its kubeconfig entry and KUBERNETES_EXEC_INFO.
Its credential stays in memory until it expires or the server refuses it. Unlike client-go, we limit
the plugin's run time and output.
"""

import asyncio
import base64
import contextlib
import json
import os
import shutil
import signal
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

import msgspec

from kubevouch import goyaml
from kubevouch.clock import Clock
from kubevouch.kube.access import ClusterAccess
from kubevouch.kube.errors import CredentialError, KubeconfigError
from kubevouch.kube.io.credentials import Credential, bearer
from kubevouch.kube.kubeconfig import ExecConfig, read_as
from kubevouch.tls.io.context import KeyPair

# Long enough for a login in a browser: kubelogin itself gives up after three minutes.
EXEC_SECONDS = 200.0
_DOCS = "https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins"


class ExecPlugin:
    """The credentials that an exec plugin prints for a cluster.

    interactive: whether standard input is a terminal that the plugin may read from.
    """

    def __init__(
        self,
        access: ClusterAccess,
        plugin: ExecConfig,
        clock: Clock,
        environ: Mapping[str, str],
        *,
        interactive: bool = False,
        seconds: float = EXEC_SECONDS,
    ) -> None:
        self._access = access
        self._plugin = plugin
        self._clock = clock
        self._environ = environ
        self._terminal = interactive
        self._seconds = seconds
        self._where = f"{access.user.where}.exec"
        self._lock = asyncio.Lock()
        self._credential: Credential | None = None
        self._expires: datetime | None = None

    async def current(self) -> Credential:
        """The cached credential, or a new one if the cached one has expired."""
        async with self._lock:
            kept = self._credential
            if kept is None or (self._expires and self._clock.now() > self._expires):
                kept = await self._asked()
            return kept

    async def renewed(self, refused: Credential) -> Credential | None:
        """A newer credential than `refused`. Runs the plugin, unless it has printed one already.

        Returns None if the plugin prints the refused credential again.
        """
        async with self._lock:
            if self._credential is refused:
                await self._asked()
            fresh = self._credential
            assert fresh is not None
            return None if fresh == refused else fresh

    async def _asked(self) -> Credential:
        answer = await self._run(self._program(), self._interactive())
        self._credential, self._expires = self._read(answer)
        return self._credential

    def _error(self, seen: str, expected: str = "") -> CredentialError:
        return CredentialError(self._where, seen, expected)

    def _interactive(self) -> bool:
        mode = self._plugin.interactive_mode
        if mode == "Always" and not self._terminal:
            expected = "run this in a terminal, or use another credential"
            raise self._error("the plugin needs input, but stdin is not a terminal", expected)
        return self._terminal and mode != "Never"

    def _program(self) -> str:
        """The absolute path of the plugin. Like Go's LookPath, does not search the current folder."""
        command = self._plugin.command
        found = shutil.which(command, path=self._environ.get("PATH", os.defpath))
        if found is None or not os.path.isabs(found):  # noqa: PTH117 - lexical
            hint = " ".join(self._plugin.install_hint.split())
            expected = f"install it{': ' + hint if hint else ''} ({_DOCS})"
            raise self._error(f"executable {command} not found", expected)
        return found

    def _exec_info(self, *, interactive: bool) -> str:
        """The value of KUBERNETES_EXEC_INFO: an ExecCredential without a status."""
        spec: dict[str, object] = {"interactive": interactive}
        if self._plugin.provide_cluster_info:
            spec["cluster"] = _cluster_information(self._access)
        version = self._plugin.api_version
        return json.dumps({"kind": "ExecCredential", "apiVersion": version, "spec": spec})

    async def _run(self, program: str, interactive: bool) -> bytes:  # noqa: FBT001 - passed on as a value
        environment = {**self._environ, **{each.name: each.value for each in self._plugin.env}}
        environment["KUBERNETES_EXEC_INFO"] = self._exec_info(interactive=interactive)
        try:
            process = await asyncio.create_subprocess_exec(
                self._plugin.command,
                *self._plugin.args,
                executable=program,
                env=environment,
                stdin=None if interactive else asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                # A process group of its own, unless it reads from our terminal.
                start_new_session=not interactive,
            )
        except (OSError, ValueError) as error:
            raise self._error(f"cannot run {program}: {error}") from None
        try:
            async with asyncio.timeout(self._seconds):
                return await self._answer(process)
        except TimeoutError:
            seen = f"{self._plugin.command} did not end within {self._seconds:g} seconds"
            raise self._error(seen, "run it by hand to see what it waits for") from None
        finally:
            await _kill(process, grouped=not interactive)

    async def _answer(self, process: asyncio.subprocess.Process) -> bytes:
        assert process.stdout is not None
        answer = bytearray()
        while chunk := await process.stdout.read(65536):
            answer += chunk
            if len(answer) > goyaml.MAX_BYTES:
                raise self._error(f"{self._plugin.command} printed over {goyaml.MAX_BYTES} bytes")
        if code := await process.wait():
            seen = f"executable {self._plugin.command} failed with exit code {code}"
            raise self._error(seen, "see its output on stderr, or run it by hand")
        return bytes(answer)

    def _read(self, answer: bytes) -> tuple[Credential, datetime | None]:
        where = f"output of {self._plugin.command}"
        if not answer.strip():
            raise self._error(f"{self._plugin.command} printed nothing", "expected ExecCredential")
        try:
            return self._read_status(read_as(_ExecCredential, goyaml.read(answer), where), where)
        except goyaml.UnreadableYaml as error:
            raise self._error(f"{where}: {error}", "expected ExecCredential") from None
        except KubeconfigError as error:
            raise self._error(f"{error.where}: {error.seen}", error.expected) from None

    def _read_status(
        self, top: "_ExecCredential", where: str
    ) -> tuple[Credential, datetime | None]:
        if (top.kind, top.version) != ("ExecCredential", self._plugin.api_version):
            seen = f'apiVersion "{top.version}", kind "{top.kind}"'
            expected = f"expected apiVersion {self._plugin.api_version}, kind ExecCredential"
            raise KubeconfigError(where, seen, expected)
        status = top.status
        if not (status.token or status.chain or status.key):
            raise KubeconfigError(where, "contains neither a token nor a certificate")
        if bool(status.chain) != bool(status.key):
            raise KubeconfigError(where, "has only a certificate or only a key", "expected both")
        pair = KeyPair(status.chain.encode(), status.key.encode()) if status.chain else None
        authorization = bearer(status.token, f"{where}: status.token") if status.token else ""
        return Credential(authorization, pair), status.expires


class _Status(msgspec.Struct, frozen=True):
    token: str = ""
    chain: str = msgspec.field(default="", name="clientCertificateData")
    key: str = msgspec.field(default="", name="clientKeyData")
    expires: Annotated[datetime, msgspec.Meta(tz=True)] | None = msgspec.field(
        default=None, name="expirationTimestamp"
    )


class _ExecCredential(msgspec.Struct, frozen=True):
    kind: str = ""
    version: str = msgspec.field(default="", name="apiVersion")
    status: _Status = _Status()


def _cluster_information(access: ClusterAccess) -> dict[str, object]:
    """A clientauthentication/v1 Cluster. Like Go, omits empty fields."""
    roots = base64.b64encode(access.roots).decode() if access.roots else ""
    fields: dict[str, object] = {
        "tls-server-name": access.server_name,
        "insecure-skip-tls-verify": not access.verify,
        "certificate-authority-data": roots,
        "proxy-url": access.proxy,
        "disable-compression": not access.compression,
        "config": access.exec_extension,
    }
    return {"server": access.server, **{name: value for name, value in fields.items() if value}}


async def _kill(process: asyncio.subprocess.Process, *, grouped: bool) -> None:
    """Kills the plugin if it still runs. grouped: whether to kill its whole process group."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            if grouped:
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()
        # asyncio would also wait for the end of the plugin's output, which is no longer read.
        process._transport.close()  # type: ignore[attr-defined]  # noqa: SLF001 - there is no public way
        await process.wait()
