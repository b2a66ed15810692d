"""Records what the real metrics-server answers: `python -m real.oracle.answers_corpus`.

The program is built by real/programs.py; it is asked the requests of tests/metrics_api/requests.yaml before the objects of
tests/metrics_api/comparison.py. The answers lie in tests/metrics_api/recorded; plain `make test` compares ours with them.
"""

import asyncio
import json
import os
import socket
import tempfile
from pathlib import Path

from real.layout import Folders
from real.programs import METRICS_SERVER, build
from tests.metrics_api.comparison import RECORDED, answers, compared_cluster, until_measured


async def record(program: Path, folder: Path) -> int:
    """Asks and writes. Returns how many answers there are."""
    async with compared_cluster(folder) as cluster:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        certs = folder / "certs"
        certs.mkdir()
        kubeconfigs = ("kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig")
        authority = folder / "ca.crt"
        authority.write_bytes(cluster.authorities.cluster.pem)
        with (folder / "log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                program,
                *(f"--{flag}={cluster.kubeconfig}" for flag in kubeconfigs),
                f"--kubelet-certificate-authority={authority}",
                f"--cert-dir={certs}",
                "--bind-address=127.0.0.1",
                f"--secure-port={port}",
                "--kubelet-use-node-status-port",
                "--kubelet-preferred-address-types=InternalIP",
                "--metric-resolution=10s",
                "--kubelet-request-timeout=2s",
                stderr=log,
            )
            try:
                await _follow(process, certs, folder)
                roots = (certs / "apiserver.crt").read_bytes()
                authorities = cluster.authorities
                await until_measured(port, roots, authorities, lambda: asyncio.sleep(0.5))
                found = await answers(port, roots, authorities)
            finally:
                process.terminate()
                await process.wait()
    lines = (json.dumps({"request": name, **each}, sort_keys=True) for name, each in found.items())
    RECORDED.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return len(found)


async def _follow(process: asyncio.subprocess.Process, certs: Path, folder: Path) -> None:
    while not (certs / "apiserver.crt").exists():
        assert process.returncode is None, (folder / "log").read_text()
        await asyncio.sleep(0.1)


def main() -> None:
    built = build(Folders.of(os.environ), (METRICS_SERVER,))
    with tempfile.TemporaryDirectory(prefix="answers-") as name:
        print(f"{asyncio.run(record(built.paths['metrics-server'], Path(name)))} answers")


if __name__ == "__main__":
    main()
