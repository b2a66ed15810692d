"""The counters that several servers have in common."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter

from kubevouch.kube.api_call import api_call


class ServerCounters:
    """A server's counters since its start. prefix: the prefix of their names."""

    def __init__(self, registry: CollectorRegistry, prefix: str) -> None:
        self.registry = registry
        self._prefix = prefix
        labels = ("verb", "resource", "code")
        self.api_requests = self.counter("api_requests", "Requests to the API server.", *labels)
        self.watch_failures = self.counter("watch_failures", "Failures of watches.", "resource")

    def counter(self, name: str, about: str, *labels: str) -> Counter:
        """Registers a counter."""
        return Counter(f"{self._prefix}{name}", about, labels, registry=self.registry)

    def request(self, method: str, target: str, /) -> Callable[[str], None]:
        """Counts a request to the API server. This method is a RequestObserver (kube.io)."""
        call = api_call(method, target.partition("?")[0])

        def ended(how: str) -> None:
            code = how if how.isdigit() else "none"
            self.api_requests.labels(call.verb, call.resource.partition(".")[0], code).inc()

        return ended
