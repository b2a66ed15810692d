"""One storyteller for two clusters: each step is the command a person would type, and its real output."""

import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from real.errors import BedError
from real.prober import probing, read

WIDTH = 80
_CHECKOUT = Path(__file__).parent.parent


class NotAsTold(Exception):
    """A step did not end as the story says."""


@dataclass(frozen=True)
class Step:
    """What is said, what is typed, and how the command may end. shows: a regular expression for what it prints, if it matters."""

    said: str
    typed: str
    codes: tuple[int, ...] = (0,)
    shows: str = ""


@dataclass(frozen=True)
class Cluster:
    """Where the story is told.

    environment: of the commands; KUBECONFIG in it. ssh_config: at hand on the desk under that name.
    kubelets: their addresses. image: what `approver install` is to name, as $IMAGE. months: what is typed so that eleven pass.
    """

    name: str
    environment: Mapping[str, str]
    ssh_config: Path
    kubelets: Sequence[str]
    image: str
    months: str


_REPAIR = (
    Step(
        "A cluster that kubeadm made a year ago. Somebody has installed metrics-server:",
        "kubectl get deployment metrics-server -n kube-system",
    ),
    Step("", "kubectl top nodes", (1,)),
    Step(
        "Its log:",
        "kubectl logs -n kube-system -l k8s-app=metrics-server --tail=50 | grep scrape | tail -n 1 | fold -s -w 80",
    ),
    Step(
        "kubeadm sees nothing wrong: it does not look at kubelets.",
        "ssh -F ssh_config k8s-master kubeadm certs check-expiration 2>/dev/null | head -n 5 | cut -c 1-80",
    ),
    Step(
        "Every guide says --kubelet-insecure-tls. The other way begins with the cause\n# (this only reads):",
        "kubevouch doctor",
        (1,),
    ),
    Step(
        "What would be changed, and what not (this only reads, too):",
        "kubevouch plan -o plan.json --via ssh --ssh-config ssh_config",
    ),
    Step(
        "Do it: one node at a time, each verified before the next.",
        "kubevouch apply plan.json --yes --soak 5s",
    ),
    Step("And now:", "kubevouch verify --wait 2m"),
    Step("", "kubectl get deployment metrics-server -n kube-system"),
    Step("", "kubectl top nodes"),
    Step("", "kubectl top pods -A | head -n 5"),
)


def steps(cluster: Cluster) -> tuple[Step, ...]:
    """The story, in the words that are typed on that cluster."""
    return (
        *_REPAIR,
        Step(
            "In a year each kubelet needs its next certificate. An approver in the cluster\n"
            "# approves it, for the names and addresses that you pin now:",
            "kubevouch approver install --image $IMAGE --new-nodes hold --yes 2>&1 |\n"
            "    sed -n '/new objects/,$p'",
        ),
        Step("", "kubectl get pods -n kubevouch-system"),
        Step(
            "Eleven months later. (Clocks stay: certificates get the dates that they would\n"
            "# have then, and kubelets start again.)",
            cluster.months,
        ),
        Step(
            "Each kubelet asks for its next certificate, and nobody has to be there:",
            "timeout 10 kubectl get csr --watch -o custom-columns=\\\n"
            "CSR:.metadata.name,NODE:.spec.username,IS:.status.conditions[*].type",
            (124,),
        ),
        Step(
            "",
            "kubectl get csr \\\n"
            "    -o custom-columns=CSR:.metadata.name,WHY:.status.conditions[*].message | fold -s -w 80",
            shows="(?s)"
            + r"csr-\S+ +kubevouch approver: every rule passed.*?" * len(cluster.kubelets),
        ),
        Step(
            "What a kubelet serves now:",
            "kubevouch probe k8s-worker-1.internal.example.com | sed -n '/^leaf/,/life/p'",
        ),
        Step("", "kubevouch verify --wait 2m"),
        Step("", "kubectl top nodes"),
    )


@dataclass(frozen=True)
class Pace:
    """How long a person is given: seconds before a line is typed, a letter, and after an answer."""

    said: float = 1.5
    letter: float = 0.02
    typed: float = 0.4
    read: float = 2.0


FAST = Pace(0.0, 0.0, 0.0, 0.0)


def tell(cluster: Cluster, desk: Path, pace: Pace) -> None:
    """Tells it. desk: a folder where a person would stand.

    Raises:
        NotAsTold: a step did not end as the story says, or a kubelet's port went dark meanwhile.
    """
    (desk / "ssh_config").symlink_to(cluster.ssh_config)
    log = desk / "handshakes"
    try:
        with probing(sys.executable, log, cluster.kubelets):
            _tell_steps(cluster, desk, pace)
    except BedError as error:
        raise NotAsTold(str(error)) from None
    outcomes = [each.outcome for each in read(log)]
    dark = sum(outcome.startswith("alert") for outcome in outcomes)
    _show(
        f"\n# Meanwhile another process has dialled every kubelet ten times a second: {len(outcomes):,}\n"
        f"# handshakes, {dark} TLS alerts; {outcomes.count('refused')} connections refused while kubelets restarted.\n"
    )
    if dark:
        raise NotAsTold(
            f"{dark} handshakes ended with an alert; a port that is never dark was expected"
        )


def _tell_steps(cluster: Cluster, desk: Path, pace: Pace) -> None:
    for step in steps(cluster):
        if step.said:
            _show(f"\n# {step.said}\n")
            time.sleep(pace.said)
        _show("\n$ ")
        for letter in step.typed:
            _show(letter)
            time.sleep(pace.letter)
        time.sleep(pace.typed)
        _show("\n")
        done = run(step.typed, desk, cluster, kept=bool(step.shows))
        _show(done.stdout or "")
        if done.returncode not in step.codes:
            expected = f"{step.codes[0]} was expected"
            raise NotAsTold(f"{step.typed}: ended with {done.returncode}; {expected}")
        if not re.search(step.shows, done.stdout or ""):
            raise NotAsTold(f"{step.typed}: does not show {step.shows}")
        time.sleep(pace.read)


def _show(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def run(
    typed: str, desk: Path, cluster: Cluster, *, kept: bool = False
) -> "subprocess.CompletedProcess[str]":
    """Runs it in a shell with pipefail off, both streams in their order: shown as it comes, or kept."""
    tools = f"{Path(sys.executable).parent}:{cluster.environment.get('PATH', '')}"
    given = {
        **cluster.environment,
        "IMAGE": cluster.image,
        "PATH": tools,
        "XDG_STATE_HOME": str(desk),
        "COLUMNS": str(WIDTH),
    }
    return subprocess.run(
        ["sh", "-c", typed],
        cwd=desk,
        env=given,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE if kept else None,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=900,
    )
