"""Who a kubelet is to its API server: its client certificate, how it gets the first one, how it renews it.

cmd/kubelet/app/server.go (buildKubeletClientConfig), pkg/kubelet/certificate/bootstrap/bootstrap.go.
"""

import asyncio
from base64 import b64encode
from collections.abc import Callable
from datetime import datetime
from typing import Final

from kubevouch.clock import Clock
from kubevouch_lab.kubelets.api import Access, Api, ApiEndpoint, ApiError, Connect, read_access
from kubevouch_lab.kubelets.csr import CLIENT, Template
from kubevouch_lab.kubelets.key_pairs import CertificateStore
from kubevouch_lab.kubelets.log import Log
from kubevouch_lab.kubelets.rotation import Rotation
from kubevouch_lab.kubelets.settings import Settings
from kubevouch_lab.nodes.files import NodeFiles
from kubevouch_lab.nodes.services import StartFailure
from kubevouch_lab.pki import KeyPair
from kubevouch_lab.rng import Entropy

_GRACE: Final = 5 * 60.0
_LOOK: Final = 10.0
_KUBECONFIG: Final = """\
apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: {ca}
    server: {server}
  name: default-cluster
contexts:
- context:
    cluster: default-cluster
    namespace: default
    user: default-auth
  name: default-context
current-context: default-context
kind: Config
users:
- name: default-auth
  user:
    client-certificate: {current}
    client-key: {current}
"""


class KubeletClient:
    """The kubelet's connections. rotation: None where the certificate stands in the kubeconfig, or does not rotate."""

    def __init__(self, api: Api, rotation: Rotation | None, bootstrap: Api | None) -> None:
        self.api = api
        self._rotation = rotation
        self._bootstrap = bootstrap

    @property
    def not_after(self) -> datetime | None:
        """When the certificate ends, if it rotates."""
        return self._rotation.not_after if self._rotation else None

    async def run(self) -> None:
        """Renews it in time, for ever; without a certificate it asks with the bootstrap token."""
        if self._rotation is None:
            return await _for_ever()
        rotation = self._rotation
        return await rotation.run(
            lambda: self.api if rotation.current or self._bootstrap is None else self._bootstrap
        )

    async def lost(self, clock: Clock, log: Log, exit_: Callable[[], None]) -> None:
        """Ends the kubelet five minutes after its certificate has ended, if there is an API server that could give another.

        pkg/kubelet/certificate/transport.go. Where nobody answers, it goes on and looks again.
        """
        while True:
            ends = self.not_after
            left = (ends - clock.now()).total_seconds() + _GRACE if ends else _GRACE
            if left > 0 or ends is None:
                await clock.sleep(left + 1.0)
                continue
            words = "No valid client certificate is found"
            if await self._answers():
                log.err("transport.go:135", f"{words} and the server is responsive, exiting.")
                exit_()
                return await _for_ever()
            log.err("transport.go:139", f"{words} but the server is not responsive.")
            await clock.sleep(_LOOK)

    async def _answers(self) -> bool:
        try:
            await self.api.ask("GET", "/healthz")
        except ApiError as error:
            return error.code > 0
        return True

    async def close(self) -> None:
        """Closes every connection."""
        await self.api.close()
        if self._bootstrap is not None:
            await self._bootstrap.close()


async def load(  # noqa: PLR0917 - what a kubelet has at its start
    files: NodeFiles,
    settings: Settings,
    connect: Connect,
    clock: Clock,
    entropy: Entropy,
    log: Log,
) -> KubeletClient:
    """Raises StartFailure: there is neither a good certificate nor a way to get one. Or BadPair."""
    access = _access(files, settings)
    store = CertificateStore(files, settings.cert_dir, "kubelet-client")
    if access is not None and access.pair is not None:
        return KubeletClient(connect(access.endpoint, access.pair, ""), None, None)
    template = Template(f"system:node:{settings.host}")

    async def renewed(pair: KeyPair) -> None:
        await client.api.present(pair)

    rotation = Rotation(
        store,
        CLIENT,
        template=lambda: template,
        clock=clock,
        entropy=entropy,
        log=log,
        renewed=renewed,
    )
    rotation.load()
    bootstrap = None
    if access is None or rotation.current is None:
        bootstrap = _bootstrap(files, settings, connect)
        access = Access(bootstrap.endpoint)
        _write_kubeconfig(files, settings, bootstrap.endpoint, store.current_path)
    client = KubeletClient(connect(access.endpoint, rotation.current, ""), rotation, bootstrap)
    return client


def _access(files: NodeFiles, settings: Settings) -> Access | None:
    try:
        return read_access(files, settings.kubeconfig)
    except OSError:
        return None
    except ValueError as error:
        raise StartFailure(f"failed to run Kubelet: {error}") from None


def _bootstrap(files: NodeFiles, settings: Settings, connect: Connect) -> Api:
    path = settings.bootstrap_kubeconfig
    try:
        access = read_access(files, path)
    except OSError:
        why = f"stat {path}: no such file or directory"
        raise StartFailure(
            f"failed to run Kubelet: unable to load bootstrap kubeconfig: {why}"
        ) from None
    except ValueError as error:
        raise StartFailure(f"failed to run Kubelet: {error}") from None
    return connect(access.endpoint, access.pair, access.token)


def _write_kubeconfig(
    files: NodeFiles, settings: Settings, endpoint: ApiEndpoint, current: str
) -> None:
    text = _KUBECONFIG.format(
        ca=b64encode(endpoint.ca_pem).decode(), server=endpoint.url, current=current
    )
    files.write(settings.kubeconfig, text.encode(), 0o600)


async def _for_ever() -> None:
    await asyncio.get_running_loop().create_future()
