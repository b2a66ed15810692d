"""Makes the cases, asks Go, and records both: `python -m real.oracle.corpus`, or `make oracle`.

Needs Go on the PATH. The same sources make the same files, byte for byte; a difference in `git diff` is either a case that
changed or an answer that did, because Go did.
"""

import json
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterable
from pathlib import Path

from real.oracle import (
    bundle_cases,
    read_cases,
    request_cases,
    verify_chains,
    verify_constraints,
    verify_names,
    verify_policies,
    verify_random,
    verify_signatures,
    verify_trust,
)
from real.oracle.asn1 import name
from real.oracle.cases import Cases
from real.oracle.certificates import authority
from real.oracle.keys import ecdsa

HERE = Path(__file__).parent
WANTED = ("read ", "ca", "dates", "kubelet-", "names-")
"""Of these certificates Go tells every fact; of the others only whether it reads them."""
RECORDED = HERE.parent.parent / "tests" / "x509" / "cases"


def gather() -> Cases:
    """All cases there are."""
    cases = Cases()
    ca = cases.add_authority("ca", authority(name(("CN", "kubernetes")), ecdsa("ca")))
    for topic in (
        verify_names,
        verify_trust,
        verify_chains,
        verify_signatures,
        verify_policies,
        verify_constraints,
        read_cases,
    ):
        topic.gather(cases, ca)
    verify_random.gather(cases)
    request_cases.gather(cases)
    bundle_cases.gather(cases)
    return cases


def write(cases: Cases, folder: Path) -> None:
    """One JSON line a case."""
    folder.mkdir(parents=True, exist_ok=True)
    certificates: list[dict[str, object]] = [
        {"case": case, "der": der} | ({"facts": True} if case.startswith(WANTED) else {})
        for case, der in cases.certificates.items()
    ]
    for kind, lines in (
        ("certificates", certificates),
        ("verify", cases.verify),
        ("requests", cases.requests),
        ("bundles", cases.bundles),
    ):
        (folder / f"{kind}.jsonl").write_text(_lines(lines), encoding="utf-8")


def judge(folder: Path, answers: Path) -> None:
    """Lets Go answer every case of a folder."""
    subprocess.run(
        ["go", "run", ".", "judge", str(folder.resolve()), str(answers.resolve())],
        cwd=HERE,
        check=True,
    )


def _lines(lines: Iterable[dict[str, object]]) -> str:
    return "".join(
        json.dumps(
            line,
            ensure_ascii=False,
            separators=(",", ":"),
            default=lambda raw: b64encode(raw).decode(),
        )
        + "\n"
        for line in lines
    )


def main() -> int:
    cases = gather()
    write(cases, RECORDED)
    judge(RECORDED, RECORDED)
    print(
        f"{len(cases.certificates)} certificates, {len(cases.verify)} verifications, "
        f"{len(cases.requests)} requests, {len(cases.bundles)} bundles: judged"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
