"""What a watch shows, kept by name, so that a test waits for an event and not for a time."""

import contextlib
import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from tests.support.api_connection import ApiConnection, RefusedRequest

T = TypeVar("T")


class Following:
    """The newest state of every object of a collection that was ever shown. Those that are deleted stay in `seen`."""

    def __init__(self, api: ApiConnection, path: str, **query: str) -> None:
        self._api = api
        self._path = path
        self._query = query
        self._news = threading.Condition()
        self._stop = threading.Event()
        self._wire: socket.socket | None = None
        self.objects: dict[str, Any] = {}
        """By name: what is there."""

        self.seen: dict[str, Any] = {}
        """By UID: what has been there, as it was last."""

        self._thread = threading.Thread(target=self._follow, daemon=True)

    def wait(self, look: Callable[[], T | None], what: str, seconds: float = 150) -> T:
        """What `look` finds in `objects` or `seen`, as soon as it finds something."""
        found: T | None = None

        def looks() -> bool:
            nonlocal found
            found = look()
            return bool(found)

        with self._news:
            assert self._news.wait_for(looks, seconds), f"{what} was not seen in {seconds:g} s"
        assert found is not None
        return found

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._wire is not None:
            with contextlib.suppress(OSError):
                self._wire.shutdown(socket.SHUT_RDWR)
        self._thread.join(timeout=30)

    def _follow(self) -> None:
        while not self._stop.is_set():
            try:
                self._once()
            except (OSError, http.client.HTTPException, RefusedRequest, ValueError):
                self._stop.wait(0.2)  # the API server is away: a list shows what was missed

    def _once(self) -> None:
        listed = self._api.get(self._path, **self._query)
        with self._news:
            self.objects = {each["metadata"]["name"]: each for each in listed["items"]}
            self.seen |= {each["metadata"]["uid"]: each for each in listed["items"]}
            self._news.notify_all()
        version = listed["metadata"]["resourceVersion"]
        watch = {"watch": "1", "resourceVersion": version, "timeoutSeconds": "300", **self._query}
        with self._api.stream(self._path, **watch) as (answer, wire):
            self._wire = wire
            while not self._stop.is_set() and (line := answer.readline()):
                if not self._take(json.loads(line)):
                    return

    def _take(self, event: dict[str, Any]) -> bool:
        """Whether to read on."""
        if event["type"] not in {"ADDED", "MODIFIED", "DELETED"}:
            return False
        found = event["object"]
        name = found["metadata"]["name"]
        with self._news:
            self.seen[found["metadata"]["uid"]] = found
            if event["type"] == "DELETED":
                self.objects.pop(name, None)
            else:
                self.objects[name] = found
            self._news.notify_all()
        return True


@contextmanager
def following(api: ApiConnection, path: str, **query: str) -> Iterator[Following]:
    """Follows a collection while the block lasts."""
    made = Following(api, path, **query)
    made.start()
    try:
        yield made
    finally:
        made.stop()
