"""`make bench`: start of the program, one certificate verified, one kubelet's answer decoded; `doctor` where a bed is up."""

import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench.pairs import alone, calls, in_turns, median, program, report

ROUNDS = 15
CASES = Path(__file__).parent.parent / "tests" / "kubelet" / "cases"


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


def verify_one() -> None:
    """One leaf against one root, by our verifier and by `openssl verify` (a process), and parsing against cryptography."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding

    from kubevouch.x509 import read_certificate_der, verify
    from tests.support.authority import Authority

    authority = Authority()
    now = datetime.now(UTC)
    pair = authority.serving("10.0.0.5", node="w1", not_after=now + timedelta(days=300))
    der = x509.load_pem_x509_certificates(pair.chain)[0].public_bytes(Encoding.DER)
    root = read_certificate_der(
        x509.load_pem_x509_certificate(authority.pem).public_bytes(Encoding.DER), "ca"
    )
    leaf = read_certificate_der(der, "leaf")
    verdict = verify(leaf, intermediates=(), roots=[root], name="10.0.0.5", at=now)
    assert verdict.trusted, verdict
    ours = calls(lambda: verify(leaf, intermediates=(), roots=[root], name="10.0.0.5", at=now))
    parsed = calls(lambda: read_certificate_der(der, "leaf"))

    def with_cryptography() -> None:
        certificate = x509.load_der_x509_certificate(der)
        _ = certificate.subject, certificate.not_valid_after_utc
        _ = [extension.value for extension in certificate.extensions]

    report(
        "certificate: parse it all",
        1000 * parsed,
        "cryptography, same fields",
        1000 * calls(with_cryptography),
        "ms",
    )
    alone(
        "certificate: verify as Go does", 1000 * ours, "ms", f"{1 / ours:,.0f} a second on one core"
    )


def decode_one() -> None:
    """A kubelet's /metrics/resource of 70 pods with 2 containers each, against json.loads of as many bytes of JSON."""
    import json

    from kubevouch.kubelet.resource_metrics import read_resource_metrics

    page = _page(70, 2)
    rows = [
        {"labels": {"pod": f"p{i}"}, "value": i * 1.5, "at": 1732550000000 + i}
        for i in range(len(page) // 60)
    ]
    text = json.dumps(rows)
    ours = calls(lambda: read_resource_metrics(page, "kubelet"))
    report(
        f"/metrics/resource, 70 pods x 2 ({len(page) // 1024} KiB)",
        1000 * ours,
        f"json.loads of {len(text) // 1024} KiB",
        1000 * calls(lambda: json.loads(text)),
        "ms",
    )


def _page(pods: int, containers: int) -> bytes:
    lines = []
    for metric, kind in (
        ("container_cpu_usage_seconds_total", "counter"),
        ("container_memory_working_set_bytes", "gauge"),
    ):
        lines += [f"# HELP {metric} [STABLE] text", f"# TYPE {metric} {kind}"]
        lines += [
            f'{metric}{{container="c{c}",namespace="shop",pod="cart-{p}"}} {p + c}.5 1732550000123'
            for p in range(pods)
            for c in range(containers)
        ]
    lines += ["# TYPE container_start_time_seconds gauge"]
    lines += [
        f'container_start_time_seconds{{container="c{c}",namespace="shop",pod="cart-{p}"}} 1.7325e+09'
        for p in range(pods)
        for c in range(containers)
    ]
    lines += [
        "node_cpu_usage_seconds_total 123.5 1732550000123",
        "node_memory_working_set_bytes 1e+09 1732550000123",
    ]
    return ("\n".join(lines) + "\n").encode()


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
    """All of them."""
    for part in (start, verify_one, decode_one, doctor_on_the_bed):
        part()


if __name__ == "__main__":
    main()
