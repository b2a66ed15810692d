"""Records what a lab's nodes answer to a survey, and what they serve, in the states that sites are found in.

    python -m tests.rollout.record

Only what was seen is recorded (tests/rollout/surveys); what follows from it is written by hand in needs.json.
"""

import asyncio
import json
import os
import subprocess
import tempfile
from pathlib import Path

import msgspec

from kubevouch.evidence.gather.serving import gather_served
from kubevouch.evidence.survey import NodeSurvey, survey
from kubevouch.kubelet.dial_result import Target
from kubevouch.node.io.ssh import Ssh
from kubevouch.system_clock import SystemClock
from tests.e2e.lab_cluster import LabCluster, LabNode, lab

from .recorded import SURVEYS

STATES = ("expired", "pending", "rotated-expired", "healthy")


async def _seen(cluster: LabCluster, node: LabNode) -> dict[str, object]:
    ssh = Ssh(str(cluster.folder.ssh_config), environment=os.environ)
    answer = await ssh.run_script(node.name, survey(), timeout=60)
    target = Target(node.address, node=node.name, port=10250)
    [served] = await gather_served([target], None, clock=SystemClock(), timeout=10)
    alert = served.dialled.failure.alert if served.dialled.failure else None
    live = cluster.kubectl("get", "node", node.name, "-o", "json").stdout
    ca = cluster.kubectl(
        *("get", "cm", "kube-root-ca.crt", "-n", "kube-system", "-o", "jsonpath={.data.ca\\.crt}")
    ).stdout
    return {
        "node": json.loads(live),
        "roots": ca,
        "served": [_pem(each.der) for each in served.dialled.chain],
        "alert": alert.number if alert else None,
        "survey": json.loads(msgspec.json.encode(answer.answer, order="deterministic")),
    }


def _pem(der: bytes) -> str:
    return subprocess.run(
        ["openssl", "x509", "-inform", "DER"], input=der, capture_output=True, check=True
    ).stdout.decode()


def main() -> None:
    """Every state, on a worker and on the control plane."""
    with tempfile.TemporaryDirectory() as folder, lab(Path(folder) / "lab") as cluster:
        for state in STATES:
            cluster.state(state)
            for node, role in ((cluster.workers[0], "worker"), (cluster.master, "control-plane")):
                seen = asyncio.run(_seen(cluster, node))
                path = SURVEYS / f"{state}-{role}.json"
                path.write_text(json.dumps(seen, indent=1) + "\n")
                msgspec.json.decode(json.dumps(seen["survey"]), type=NodeSurvey)
                print(path.name)


if __name__ == "__main__":
    main()
