"""What runs the containers of a node: nothing, for most of them; their own programs for some (`pod_servers`)."""

from collections.abc import Callable, Iterator, Sequence
from ipaddress import ip_network

from kubevouch_lab.cluster.pod_servers import PodServers
from kubevouch_lab.cluster.site import Host, Site
from kubevouch_lab.kubelets.pods import ContainerLogLine, ContainerState
from kubevouch_lab.objects import Object, name_of, namespace_of, status_of, uid_of


class NodeRuntime:
    """The runtime of one node. pods: those that the API server has bound to it, to know which addresses are taken."""

    def __init__(
        self,
        site: Site,
        host: Host,
        servers: PodServers,
        pods: Callable[[], list[Object]],
    ) -> None:
        self._site = site
        self._host = host
        self._servers = servers
        self._pods = pods
        self._given: dict[str, str] = {}
        self.changed: Callable[[], None] = lambda: None
        """Called when a container does otherwise than before."""

    def state(self, pod: Object, _container: str) -> ContainerState:
        """Every container runs; what has a program is ready when that says so."""
        if not self._servers.has_program(pod):
            return ContainerState()
        address = self.address(pod)
        return self._servers.state(pod, address, self.changed)

    def address(self, pod: Object) -> str:
        """The pod's own of the node's network, or the node's on its network."""
        if pod["spec"].get("hostNetwork"):
            return self._host.address
        held = str(status_of(pod).get("podIP", ""))
        uid = uid_of(pod)
        if not held and uid not in self._given:
            self._given[uid] = next(self._free(), "")
        return held or self._given[uid]

    def log(self, namespace: str, pod: str, container: str) -> Sequence[ContainerLogLine] | None:
        """What its program has printed; the others are silent."""
        found = next(
            (p for p in self._pods() if (namespace_of(p), name_of(p)) == (namespace, pod)), None
        )
        if found is None or container not in {c["name"] for c in found["spec"]["containers"]}:
            return None
        return self._servers.log(uid_of(found))

    def _free(self) -> Iterator[str]:
        """Addresses of the node's network that no pod has, nor what still ends of one: the first is the gateway's."""
        bound = self._pods()
        there = {uid_of(pod) for pod in bound}
        self._given = {uid: address for uid, address in self._given.items() if uid in there}
        taken = {status_of(pod).get("podIP") for pod in bound} | set(self._given.values())
        taken |= self._servers.addresses()
        hosts = ip_network(self._site.pod_networks(self._host)[0]).hosts()
        next(hosts)
        yield from (str(each) for each in hosts if str(each) not in taken)
