"""The story on the bed, paced for a person: each step with the command they would type, and its real output."""

import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from real import clock
from real.errors import BedError
from real.layout import MASTER, Folders


@dataclass(frozen=True)
class Step:
    """What is said, what is typed, and how the command may end."""

    said: str
    typed: str
    codes: tuple[int, ...] = (0,)


STEPS = (
    Step(
        "A cluster that kubeadm made a year ago. Somebody has installed metrics-server:",
        "kubectl get deployment metrics-server -n kube-system",
    ),
    Step("", "kubectl top nodes", (1,)),
    Step(
        "Its log:",
        "kubectl logs -n kube-system -l k8s-app=metrics-server --tail=50 | grep scrape | tail -n 1",
    ),
    Step(
        "kubeadm sees nothing wrong: it does not look at kubelets.",
        f"ssh -F ssh_config {MASTER.short} kubeadm certs check-expiration 2>/dev/null | head -n 5",
    ),
    Step(
        "Every guide says --kubelet-insecure-tls. The other way begins with the cause (this only reads):",
        "kubevouch doctor",
        (1,),
    ),
    Step(
        "What would be changed, and what not (this only reads, too):",
        "kubevouch fix --plan plan.json --via ssh --ssh-config ssh_config",
    ),
    Step(
        "Do it: one node at a time, each proven on the wire before the next.",
        "kubevouch fix --apply plan.json --yes",
    ),
    Step("And now:", "kubevouch verify --wait 2m"),
    Step("", "kubectl get deployment metrics-server -n kube-system"),
    Step("", "kubectl top nodes"),
    Step("", "kubectl top pods -A | head -n 5"),
)


def tell(folders: Folders, environment: Mapping[str, str], *, fast: bool) -> None:
    """Tells it on the bed that is up, in whatever state it is.

    Raises:
        BedError: a step did not end as the story says.
    """
    with tempfile.TemporaryDirectory() as name:
        desk = Path(name)
        (desk / "ssh_config").symlink_to(folders.ssh_config)
        for step in STEPS:
            _tell(step, desk, environment, fast=fast)


def _tell(step: Step, desk: Path, environment: Mapping[str, str], *, fast: bool) -> None:
    if step.said:
        print(f"\n# {step.said}", flush=True)
        _pause(2.0, fast=fast)
    print(f"\n$ {step.typed}", flush=True)
    _pause(1.0, fast=fast)
    code = _run(step.typed, desk, environment)
    if code not in step.codes:
        raise BedError(step.typed, f"ended with {code}", f"{step.codes[0]} was expected")
    _pause(3.0, fast=fast)


def _run(typed: str, desk: Path, environment: Mapping[str, str]) -> int:
    """Runs it in a shell with pipefail off, its output as it comes; both streams in their order."""
    tools = f"{Path(sys.executable).parent}:{environment.get('PATH', '')}"
    given = {**environment, "PATH": tools, "XDG_STATE_HOME": str(desk), "COLUMNS": "100"}
    done = subprocess.run(
        ["bash", "-c", typed],
        cwd=desk,
        env=given,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
        check=False,
        timeout=900,
    )
    return done.returncode


def _pause(seconds: float, *, fast: bool) -> None:
    sys.stdout.flush()
    if not fast:
        clock.sleep(seconds)
