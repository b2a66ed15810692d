"""Our metrics server, run in the lab's process as the containers of its metrics-server pods: the lab meets it here only."""

import asyncio
from collections.abc import Callable
from typing import Final

from kubevouch.clock import Clock
from kubevouch.errors import KubevouchError
from kubevouch.kube.access import ClusterAccess
from kubevouch.kube.io.client import ApiClient
from kubevouch.kube.io.credentials import Credential, Credentials, UserCredentials
from kubevouch.kube.kubeconfig import User
from kubevouch.metrics.collector import RootsFile
from kubevouch.metrics.scraper import KubeletAccess
from kubevouch.metrics.scraping import ScrapeSettings
from kubevouch.metrics.serving.server import MetricsServer
from kubevouch.serve.key_pair import key_pair_source
from kubevouch.serve.logs import Log
from kubevouch.serve.server import ServingOptions
from kubevouch.serve.tls_reload import TlsSources
from kubevouch_lab.cluster.pod_servers import PodServer
from kubevouch_lab.objects import Object, labels_of, name_of, namespace_of
from kubevouch_lab.rng import Entropy, serials

PORT: Final = 10250
_NAMESPACE: Final = "kube-system"
_LABEL: Final = ("k8s-app", "metrics-server")
_INSECURE: Final = "--kubelet-insecure-tls"


class _Paced:
    """Credentials that all metrics servers of the lab wait for, so that they scrape no faster than that together.

    A refused kubelet costs this process a handshake with both ends, and new servers look at every node at once.
    """

    def __init__(self, under: Credentials, turns: "Turns") -> None:
        self._under = under
        self._turns = turns

    async def current(self) -> Credential:
        """The credential, once it is this scrape's turn."""
        await self._turns.next()
        return await self._under.current()

    async def renewed(self, refused: Credential) -> Credential | None:
        """As without the pace."""
        return await self._under.renewed(refused)


class Turns:
    """Moments that lie so many seconds apart."""

    def __init__(self, clock: Clock, pause: float) -> None:
        self._clock = clock
        self._pause = pause
        self._free = 0.0

    async def next(self) -> None:
        """Returns when the next one has come."""
        now = self._clock.monotonic()
        turn = max(now, self._free)
        self._free = turn + self._pause
        await self._clock.sleep(turn - now)


class MetricsServerProgram:
    """What the pods of metrics-server run.

    resolution: seconds from one scrape of a node to the next, whatever the pods' arguments say. pause: seconds between
    two scrapes of all of them together.
    server, ca: the API server's URL, and PEM of the CA that its pods trust. token: of a pod's account.
    """

    def __init__(
        self,
        server: str,
        ca: bytes,
        *,
        clock: Clock,
        entropy: Entropy,
        token: Callable[[Object], str],
        resolution: float,
        pause: float,
    ) -> None:
        self._server = server
        self._ca = ca
        self._clock = clock
        self._entropy = entropy
        self._token = token
        self._resolution = resolution
        self._turns = Turns(clock, pause)

    def runs_in(self, pod: Object) -> bool:
        """By namespace and label."""
        label, value = _LABEL
        return namespace_of(pod) == _NAMESPACE and labels_of(pod).get(label) == value

    async def run(self, server: PodServer) -> None:
        """Until its end. Raises KubevouchError, OSError."""
        try:
            await self._serve(server)
        except (KubevouchError, OSError) as error:
            server.hear(f"Error: {error}\n")
            raise

    async def _serve(self, server: PodServer) -> None:
        clock, draw, resolution = self._clock, serials(self._entropy), self._resolution
        user = User(where=f"pod {name_of(server.pod)}", token=self._token(server.pod))
        access = ClusterAccess(
            context="",
            where="service account",
            cluster="service account",
            server=self._server,
            user=user,
            namespace=_NAMESPACE,
            roots=self._ca,
        )
        log = Log(server.hear, clock)
        async with ApiClient(access, clock=clock, environ={}, interactive=False) as api:
            found = MetricsServer(
                api,
                clock,
                log,
                KubeletAccess(
                    RootsFile(lambda: self._ca, clock),
                    _Paced(UserCredentials(user, clock), self._turns),
                ),
                rng=lambda: draw() / (1 << 63),
                settings=ScrapeSettings(
                    address_types=("InternalIP", "ExternalIP", "Hostname"),
                    port=PORT,
                    use_status_port=True,
                    resolution=resolution,
                    timeout=resolution * 0.9,
                    insecure=_INSECURE in server.arguments,
                ),
            )
            server.has_usage_of = lambda node: found.store.node(node) is not None
            source = key_pair_source("", "", "", now=clock.now(), random_serial=self._bits)
            serving = ServingOptions(server.address, PORT, TlsSources(source))
            await found.serve(serving, asyncio.Event())

    def _bits(self, count: int) -> int:
        return int.from_bytes(self._entropy((count + 7) // 8)) >> (-count % 8)
