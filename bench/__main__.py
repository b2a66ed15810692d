"""`make bench`: how long the program takes to start; `doctor` where a bed is up."""

import os
import shutil
import subprocess
import sys

from bench.pairs import alone, in_turns, median, program, report

ROUNDS = 15


def start() -> None:
    """`--help` against bare Python, the limit being 100 ms over it, and against kubectl."""
    python = [sys.executable, "-c", "pass"]
    ours = [sys.executable, "-m", "kubevouch", "--help"]
    kubectl = shutil.which("kubectl")
    contestants = [lambda: program(ours, os.environ), lambda: program(python, os.environ)]
    if kubectl:
        contestants.append(lambda: program([kubectl, "--help"], os.environ))
    found = in_turns(ROUNDS, *contestants)
    help_, bare = (1000 * median(samples, "wall") for samples in found[:2])
    report("kubevouch --help", help_, "bare python", bare, "ms")
    alone("  over bare Python (limit 100)", help_ - bare, "ms")
    if kubectl:
        report("kubevouch --help", help_, "kubectl --help", 1000 * median(found[2], "wall"), "ms")


def doctor_on_the_bed() -> None:
    """`doctor` on the bed that is up, beside the kubectl calls that a person would make for a part of its answer."""
    inside = [sys.executable, "-m", "real", "exec", "--"]
    asked = subprocess.run([*inside, "true"], capture_output=True, check=False)
    if asked.returncode != 0:
        print("doctor: no bed is up (make real-up)")
        return
    script = "kubectl get nodes,csr,apiservices >/dev/null; kubectl get pods -n kube-system -o yaml >/dev/null; kubectl top nodes >/dev/null 2>&1"
    found = in_turns(
        7,
        lambda: program([*inside, sys.executable, "-m", "kubevouch", "doctor"], os.environ),
        lambda: program([*inside, "sh", "-c", script], os.environ),
        lambda: program([*inside, "true"], os.environ),
    )
    entering = {of: median(found[2], of) for of in ("wall", "cpu")}
    for of, factor, unit in (("wall", 1, "s"), ("cpu", 1, "s")):
        ours, theirs = (median(samples, of) - entering[of] for samples in found[:2])
        report(
            f"doctor, 4 nodes: {of}",
            factor * ours,
            "3 kubectl reads of a part of it",
            factor * theirs,
            unit,
        )
    alone("doctor, 4 nodes: peak memory", median(found[0], "memory"), "MiB")


def main() -> None:
    """Both."""
    for part in (start, doctor_on_the_bed):
        part()


if __name__ == "__main__":
    main()
