"""Values and rules load no event loop, no HTTP client, no socket, no TLS and no process, not even by way of others."""

import json
import pkgutil
import subprocess
import sys

import kubevouch

NEVER_LOADED = ("aiohttp", "asyncio", "socket", "ssl", "subprocess")

MAY_DO_IO = (
    "kubevouch.__main__",
    "kubevouch.system_clock",
    "kubevouch.tls.io",
    "kubevouch.kube.io",
    "kubevouch.kubelet.io",
    "kubevouch.node.io",
    "kubevouch.evidence.gather",
    "kubevouch.serve",
    "kubevouch.metrics",
    "kubevouch.rollout.act",
    "kubevouch.approve.act",
    "kubevouch.inventory.act",
    "kubevouch.cli",
)

# One fresh interpreter imports them one after another, so the first that loads something is the one that is named.
_IMPORT_ALL = """
import importlib, json, sys
names, never = json.load(sys.stdin)
for name in names:
    importlib.import_module(name)
    if loaded := [each for each in never if each in sys.modules]:
        sys.exit(f"importing {name} loads {', '.join(loaded)}")
"""


def _modules() -> list[str]:
    """Every module of the product, found on the disk: a new one belongs to what is pure unless it is listed above."""
    found = pkgutil.walk_packages(kubevouch.__path__, "kubevouch.", onerror=lambda _: None)
    return [module.name for module in found]


def _is_within(module: str, room: str) -> bool:
    return module == room or module.startswith(f"{room}.")


def _run(names: list[str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-I", "-c", _IMPORT_ALL],
        input=json.dumps([names, NEVER_LOADED]),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={},  # `make coverage` would load itself there, and sockets with it
    )


def test_importing_what_is_pure_loads_none_of_it() -> None:
    pure = [name for name in _modules() if not any(_is_within(name, room) for room in MAY_DO_IO)]
    assert {"kubevouch.policy.decide", "kubevouch.diagnose.doctor"} <= set(pure)
    assert {"kubevouch.evidence.snapshot", "kubevouch.rollout.decide.gates"} <= set(pure)
    ran = _run(pure)
    assert ran.returncode == 0, ran.stderr


def test_importing_what_is_not_pure_is_noticed() -> None:
    ran = _run(["kubevouch.evidence.measured", "kubevouch.kube.io.client"])
    assert "importing kubevouch.kube.io.client loads aiohttp" in ran.stderr


def test_every_room_that_may_do_io_is_there() -> None:
    modules = _modules()
    gone = [room for room in MAY_DO_IO if room not in modules]
    assert not gone
