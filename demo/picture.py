"""`python -m demo.picture FILE`: the story told on a lab, its high points as an SVG of a terminal. For the README."""

import os
import re
import sys
import tempfile
from html import escape
from pathlib import Path

from demo.__main__ import lab
from demo.telling import WIDTH, NotAsTold, run, steps

LINE, LETTER, MARGIN = 17, 8.4, 14
_STYLE = """\
text { font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; fill: #d8dee9; white-space: pre }
.typed { fill: #ffffff; font-weight: 600 }
.said { fill: #7f8ea3 }
.bad { fill: #ff7b72 }
.good { fill: #7ee787 }
"""
# Of which commands what is shown: the lines that one of these finds; all of them, if there is none.
_SHOWN: dict[str, tuple[str, ...]] = {
    "kubectl get deployment": (),
    "kubectl top nodes": (),
    "kubevouch doctor": (r"^  (critical|error) ", r"^CAUSE", r"^ {7}\S", r"^NEXT"),
    "kubevouch apply": (r"^  \d:\d\d  .* (seeded|approved|serves|done in)", r"^Run "),
    "kubevouch approver install": (r"^\d+ objects new", r"^The approver is ready"),
    "kubevouch lab age": (),
    "timeout 10 kubectl get csr": (r"^CSR ", r"worker-1"),
    "kubevouch verify": (r"^OK", r"^ {7}\S"),
}


def told() -> list[tuple[str, str]]:
    """(class, line) of what is shown."""
    lines: list[tuple[str, str]] = []
    with tempfile.TemporaryDirectory(prefix="kubevouch-") as name:
        desk = Path(name, "desk")
        desk.mkdir()
        with lab(desk, os.environ) as cluster:
            (desk / "ssh_config").symlink_to(cluster.ssh_config)
            for step in steps(cluster):
                done = run(step.typed, desk, cluster, kept=True)
                if done.returncode not in step.codes:
                    raise NotAsTold(f"{step.typed}: {done.stdout}")
                if (patterns := _patterns(step.typed)) is not None:
                    lines += [("typed", line) for line in f"$ {step.typed}".splitlines()]
                    lines += [(_class(line), line) for line in _chosen(done.stdout, patterns)]
                    lines += [("said", "")]
    return lines[:-1]


def _patterns(typed: str) -> tuple[str, ...] | None:
    return next((shown for start, shown in _SHOWN.items() if typed.startswith(start)), None)


def _chosen(text: str, patterns: tuple[str, ...]) -> list[str]:
    lines = [line.rstrip()[:WIDTH] for line in text.splitlines()]
    if not patterns:
        return lines
    return [line for line in lines if any(re.search(pattern, line) for pattern in patterns)]


def _class(line: str) -> str:
    if re.search(r"critical|^  error|0/3|^error:|^CAUSE", line):
        return "bad"
    return "good" if re.search(r"^OK|3/3|done in|^Run ", line) else "plain"


def picture(lines: list[tuple[str, str]]) -> str:
    """A window with these lines in it."""
    width = round(WIDTH * LETTER + 2 * MARGIN)
    height = len(lines) * LINE + 2 * MARGIN + 10
    rows = "\n".join(
        f'<text x="{MARGIN}" y="{MARGIN + 14 + at * LINE}" class="{kind}" xml:space="preserve">{escape(line)}</text>'
        for at, (kind, line) in enumerate(lines)
        if line
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" role="img" '
        'aria-label="kubevouch: from metrics-server 0/3 to a rotation that the approver approves">\n'
        f"<style>\n{_STYLE}</style>\n"
        f'<rect width="{width}" height="{height}" rx="8" fill="#0d1117"/>\n{rows}\n</svg>\n'
    )


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(picture(told()))
