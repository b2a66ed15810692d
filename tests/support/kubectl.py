"""Real kubectl, as a process, and what an API server tells it of its groups."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.cli.program import Ran, ended
from tests.support.scripted.apiserver import ScriptedApiServer
from tests.support.scripted.kinds import KINDS

KUBECTL = Path(sys.executable).with_name("kubectl")


async def kubectl(kubeconfig: Path, *words: str) -> Ran:
    """Nothing of ours in its environment; its caches beside the kubeconfig."""
    process = await asyncio.create_subprocess_exec(
        KUBECTL,
        *words,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={
            "HOME": str(kubeconfig.parent),
            "PATH": os.environ["PATH"],
            "KUBECONFIG": str(kubeconfig),
        },
        cwd=kubeconfig.parent,
    )
    return await ended(process)


def tell_of_groups(server: ScriptedApiServer) -> None:
    """/api, /apis and each group version below them, in the form of old: what kubectl asks before anything else."""

    async def core(_: web.Request) -> web.StreamResponse:
        return web.json_response({"kind": "APIVersions", "versions": ["v1"]})

    async def groups(_: web.Request) -> web.StreamResponse:
        found = sorted({(kind.group, kind.version) for kind in KINDS.values() if kind.group})
        listed = [
            {"name": group, "versions": [version], "preferredVersion": version}
            for group, version in (
                (group, {"groupVersion": f"{group}/{version}", "version": version})
                for group, version in found
            )
        ]
        return web.json_response({"kind": "APIGroupList", "apiVersion": "v1", "groups": listed})

    server.faults.on("/api", core)
    server.faults.on("/apis", groups)
    for group, version in {(kind.group, kind.version) for kind in KINDS.values()}:
        path = f"/apis/{group}/{version}" if group else f"/api/{version}"
        server.faults.on(path, _resources(group, version))


def _resources(group: str, version: str) -> Any:
    async def resources(_: web.Request) -> web.StreamResponse:
        found = [
            {
                "name": kind.plural,
                "singularName": "",
                "namespaced": kind.namespaced,
                "kind": kind.kind,
                "verbs": ["get", "list"],
            }
            for kind in KINDS.values()
            if (kind.group, kind.version) == (group, version)
        ]
        whole = f"{group}/{version}" if group else version
        return web.json_response(
            {
                "kind": "APIResourceList",
                "apiVersion": "v1",
                "groupVersion": whole,
                "resources": found,
            }
        )

    return resources
