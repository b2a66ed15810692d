"""The Kubernetes project's own Python client: `client`, `config` and `watch` of it, read when a test asks for them.

They take a second of a processor to import, which every process of a test run would pay while it collects the tests.
"""

import importlib
from typing import Any


class _Later:
    """A module that is imported when something of it is wanted."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # pytest asks whether it is a test
            raise AttributeError(name)
        return getattr(importlib.import_module(self._name), name)


# Its types say that everything may be None.
client: Any = _Later("kubernetes.client")
config: Any = _Later("kubernetes.config")
watch: Any = _Later("kubernetes.watch")
