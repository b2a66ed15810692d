"""What a kubelet presents: its own pair, configured files, or what was issued to it (InitializeTLS, cmd/kubelet/app/server.go)."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from kubevouch.clock import Clock
from kubevouch_lab.kubelets.csr import SERVING, Template
from kubevouch_lab.kubelets.key_pairs import (
    BadPair,
    CertificateStore,
    Current,
    file_pair,
    self_signed,
)
from kubevouch_lab.kubelets.log import Log
from kubevouch_lab.kubelets.rotation import Rotation
from kubevouch_lab.kubelets.settings import Settings
from kubevouch_lab.nodes.files import NodeFiles
from kubevouch_lab.pki import KeyPair
from kubevouch_lab.rng import Entropy, serials


@dataclass(frozen=True)
class Serving:
    """current: asked at every handshake. rotation: with serverTLSBootstrap only. own_files: the self-signed pair's."""

    current: Current
    rotation: Rotation | None = None
    own_files: tuple[str, str] = ("", "")


async def load(  # noqa: PLR0917 - what a kubelet has at its start
    files: NodeFiles,
    settings: Settings,
    template: Callable[[], Template | None],
    clock: Clock,
    entropy: Entropy,
    log: Log,
) -> Serving:
    """The serving certificate, from the one of the three sources that is configured. Raises BadPair: the kubelet does not start."""
    if settings.rotates_server:
        store = CertificateStore(files, settings.cert_dir, "kubelet-server", settings.tls_files)
        rotation = Rotation(
            store, SERVING, template=template, clock=clock, entropy=entropy, log=log
        )
        rotation.load()
        return Serving(lambda: rotation.current, rotation)
    own = ("", "")
    certificate, key = settings.tls_files
    if not certificate:
        words = (files, settings.cert_dir, settings.host, clock.now(), serials(entropy))
        if files.exists(f"{settings.cert_dir}/kubelet.crt"):
            own = self_signed(*words)
        else:  # two RSA keys: a third of a second in which others go on
            own = await asyncio.to_thread(self_signed, *words)
        certificate, key = own
    watched = _Watched(files, certificate, key, log)
    return Serving(watched.current, None, own)


class _Watched:
    """A pair of files, read again when they have changed; what cannot be read leaves the old one in force."""

    def __init__(self, files: NodeFiles, certificate: str, key: str, log: Log) -> None:
        self._files = files
        self._paths = (certificate, key)
        self._log = log
        self._seen = self._look()
        self._pair = file_pair(files, certificate, key)

    def current(self) -> KeyPair:
        seen = self._look()
        if seen != self._seen:
            self._seen = seen
            try:
                self._pair = file_pair(self._files, *self._paths)
            except BadPair as error:
                self._log.err(
                    "dynamic_serving_content.go:141",
                    "Failed to reload the serving certificate",
                    err=str(error),
                )
        return self._pair

    def _look(self) -> tuple[tuple[int, int, int], ...]:
        found = []
        for path in self._paths:
            try:
                stat = self._files.path(path).stat()
                found.append((stat.st_ino, stat.st_size, stat.st_mtime_ns))
            except OSError:
                found.append((0, 0, 0))
        return tuple(found)
