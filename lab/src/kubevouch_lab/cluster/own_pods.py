"""The product's own pods: those of its image, and the approver's whatever image they name.

Each is a process of its own, with the words that its container has and with what a pod's process finds around it: the
pod's name as host name, the token of its account where a pod has one, the API server's address in its environment. Only
three things are other than in a pod: it is told where to listen, since there is no network of its own to listen in; which
loopback addresses are kubelets'; and that a metrics server keeps its pair elsewhere than in /tmp, which is this machine's
(docs/lab.md). All that takes no privilege (user_namespaces(7)).
"""

import asyncio
import base64
import contextlib
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from kubevouch.errors import KubevouchError
from kubevouch_lab.cluster.pod_servers import PodServer
from kubevouch_lab.cluster.site import API_PORT, Site
from kubevouch_lab.objects import Object, labels_of, name_of, namespace_of

_NAMESPACE: Final = "kubevouch-system"
_LABEL: Final = ("app.kubernetes.io/name", "kubevouch-approver")
_IMAGE: Final = "kubevouch"
_PAIR: Final = "/var/run/kubevouch-pair"
_LOOPBACK: Final = "/var/run/kubevouch-loopback-addresses"
# The lines of its input are, in base64: token, CA, namespace, and which loopback addresses are kubelets'.
_SETUP: Final = f"""\
set -e
hostname "$1"
shift
mount -t tmpfs -o mode=755 pod /var/run
account=/var/run/secrets/kubernetes.io/serviceaccount
mkdir -p "$account"
for each in "$account/token" "$account/ca.crt" "$account/namespace" {_LOOPBACK}; do
  read -r line
  echo "$line" | base64 -d >"$each"
done
exec setpriv --pdeathsig KILL -- "$@" </dev/null
"""
_PATIENCE: Final = 10.0
"""Seconds for its end after SIGTERM."""


class NotRun(KubevouchError):
    """The pod's process cannot be started here, or has ended by itself."""


class OwnProgram:
    """What the product's pods run: the approver, or the metrics server in the place of upstream's.

    ca: PEM of the CA that pods trust. token: of a pod's account. loopback_addresses: a file for $KUBEVOUCH_LOOPBACK_ADDRESSES.
    """

    def __init__(
        self, site: Site, ca: bytes, *, token: Callable[[Object], str], loopback_addresses: Path
    ) -> None:
        self._site = site
        self._ca = ca
        self._token = token
        self._loopback_addresses = loopback_addresses

    def runs_in(self, pod: Object) -> bool:
        """By the image's name, or by the approver's namespace and label."""
        label, value = _LABEL
        if namespace_of(pod) == _NAMESPACE and labels_of(pod).get(label) == value:
            return True
        image = str(pod["spec"]["containers"][0].get("image", ""))
        return image.partition("@")[0].rpartition("/")[2].partition(":")[0] == _IMAGE

    async def run(self, server: PodServer) -> None:
        """Until its end. Raises NotRun, OSError."""
        process = await self._start(server)
        try:
            assert process.stdout
            async for line in process.stdout:
                server.hear(line.decode(errors="replace"))
            code = await process.wait()
        finally:
            await _end(process)
        if code:
            raise NotRun(name_of(server.pod), f"ended with exit code {code}; its log says why")

    async def _start(self, server: PodServer) -> asyncio.subprocess.Process:
        missing = [tool for tool in ("unshare", "setpriv") if shutil.which(tool) is None]
        if missing or not server.address:
            seen = f"no {' and no '.join(missing)} here" if missing else "the pod has no address"
            raise NotRun(name_of(server.pod), seen, "expected Linux with util-linux")
        given = (
            self._token(server.pod).encode(),
            self._ca,
            namespace_of(server.pod).encode(),
            self._loopback_addresses.read_bytes(),
        )
        command = tuple(server.container.get("command") or ())[1:]
        words = (sys.executable, "-m", "kubevouch.cli.container", *command, *server.arguments)
        process = await asyncio.create_subprocess_exec(
            *("unshare", "-U", "-r", "-m", "-u", "--", "/bin/sh", "-c", _SETUP, "sh"),
            *(name_of(server.pod), *words, *_elsewhere(server)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=self._environment(server.pod),
            cwd="/",
            start_new_session=True,
            limit=1 << 20,
        )
        assert process.stdin
        process.stdin.write(b"".join(base64.b64encode(each) + b"\n" for each in given))
        process.stdin.close()
        return process

    def _environment(self, pod: Object) -> dict[str, str]:
        return {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOSTNAME": name_of(pod),
            "KUBERNETES_SERVICE_HOST": self._site.api_address,
            "KUBERNETES_SERVICE_PORT": str(API_PORT),
            **({"KUBEVOUCH_LOOPBACK_ADDRESSES": _LOOPBACK} if self._site.on_loopback else {}),
        }


def _elsewhere(server: PodServer) -> tuple[str, ...]:
    """Words behind the pod's own, of which a metrics server takes the last."""
    folder = any(each.startswith("--cert-dir=") for each in server.arguments)
    bind = f"--bind-address={server.address}"
    return (bind, f"--cert-dir={_PAIR}") if folder else (bind,)


async def _end(process: asyncio.subprocess.Process) -> None:
    """As a pod is ended: SIGTERM, and SIGKILL to what does not listen."""
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(_PATIENCE):
            await process.wait()
    except TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
