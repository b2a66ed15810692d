"""Real kubectl, as a process, and what an API server tells it of its groups."""

import asyncio
import os
import sys
from pathlib import Path

from aiohttp import web

from kubevouch_lab.apiserver import discovery
from kubevouch_lab.objects import Object
from tests.cli.program import Ran, ended
from tests.support.scripted.apiserver import ScriptedApiServer
from tests.support.scripted.kinds import METRICS

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
    """/api, /apis and what lies just below them, as the lab tells it: what kubectl asks before anything else."""

    async def told(request: web.Request) -> web.StreamResponse:
        return web.json_response(_document(request.path))

    server.faults.on("/api*", told, where=lambda asked: _document(asked.path) is not None)


def _document(path: str) -> Object | None:
    if path == "/apis/metrics.k8s.io/v1beta1":
        listed = [discovery._resource(kind) for kind in METRICS]
        return {"kind": "APIResourceList", "groupVersion": path[6:], "resources": listed}
    return discovery.document(path, address="", others=[("metrics.k8s.io", "v1beta1")])
