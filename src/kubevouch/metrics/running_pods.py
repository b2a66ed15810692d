"""The running pods of a cluster, by namespace: who asks for one namespace looks at no other one's pods."""

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from kubevouch.metrics.columns import PodKey


class RunningPod(msgspec.Struct, frozen=True, gc=False):
    """A running pod: what selectors match, and the name of its node."""

    namespace: str
    name: str
    labels: Mapping[str, str]
    node: str


class RunningPods(Mapping[PodKey, RunningPod]):
    """Every running pod, by namespace and name. `put` and `remove` change it."""

    def __init__(self, pods: Iterable[RunningPod] = ()) -> None:
        self._pods: dict[str, dict[str, RunningPod]] = {}
        self._disordered: set[str] = set()
        self._count = 0
        for pod in pods:
            self.put(pod)

    def put(self, pod: RunningPod) -> None:
        """Adds a pod, or replaces it."""
        here = self._pods.setdefault(pod.namespace, {})
        before = len(here)
        here[pod.name] = pod
        if len(here) != before:
            self._count += 1
            self._disordered.add(pod.namespace)

    def remove(self, key: PodKey) -> None:
        """Removes a pod, if it is there."""
        namespace, name = key
        here = self._pods.get(namespace)
        if here is None or here.pop(name, None) is None:
            return
        self._count -= 1
        if not here:
            del self._pods[namespace]
            self._disordered.discard(namespace)

    def node_of(self, key: PodKey) -> str:
        """The name of a pod's node; "" if there is no such pod. Asked for every pod of every page."""
        here = self._pods.get(key[0])
        pod = here.get(key[1]) if here is not None else None
        return "" if pod is None else pod.node

    def of(self, namespace: str) -> tuple[RunningPod, ...]:
        """The pods of a namespace as they are now, in the order of their names."""
        here = self._pods.get(namespace)
        if here is None:
            return ()
        if namespace in self._disordered:
            # Kept in order, so that the next time few names are out of place.
            self._disordered.discard(namespace)
            here = self._pods[namespace] = {name: here[name] for name in sorted(here)}
        return tuple(here.values())

    def everywhere(self) -> Iterator[RunningPod]:
        """The pods of all namespaces, in the order of namespaces and names; each namespace as it is when reached."""
        for namespace in sorted(self._pods):
            yield from self.of(namespace)

    def __getitem__(self, key: PodKey) -> RunningPod:
        return self._pods[key[0]][key[1]]

    def __iter__(self) -> Iterator[PodKey]:
        for namespace, here in self._pods.items():
            for name in here:
                yield namespace, name

    def __len__(self) -> int:
        return self._count
