"""`python -m demo.picture PICTURE PAGE`: the story told on a lab, as a page, and its high points as an SVG of a terminal for the README."""

import os
import re
import sys
import tempfile
from html import escape
from pathlib import Path

from demo.__main__ import lab
from demo.telling import WIDTH, NotAsTold, Step, run, steps

LINE, LETTER, MARGIN = 17, 8.4, 14
_STYLE = """\
text { font: 14px ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; fill: #d8dee9; white-space: pre }
.typed { fill: #ffffff; font-weight: 600 }
.said { fill: #7f8ea3 }
.bad { fill: #ff7b72 }
.good { fill: #7ee787 }
"""
_PAGE = """\
# The story

Every command of the story, and what it printed. `make picture` writes this page from a lab. `make demo` tells it to you on a lab,
`make story` on a real kubeadm cluster of four machines.
"""
# Of which commands what is shown: the lines that one of these finds; all of them, if there is none.
_SHOWN: dict[str, tuple[str, ...]] = {
    "kubectl get deployment": (),
    "kubectl top nodes": (),
    "kubevouch doctor": (r"^  (critical|error) ", r"^CAUSE", r"^ {7}\S", r"^NEXT"),
    "kubevouch apply": (r"^  \d:\d\d  .* (config written|approved|serves|done in)", r"^Run "),
    "kubevouch approver install": (r"^\d+ new objects", r"^The approver is ready"),
    "kubevouch lab age": (),
    "timeout 10 kubectl get csr": (r"^CSR ", r"worker-1"),
    "kubevouch verify": (r"^OK", r"^ {7}\S"),
}


Told = list[tuple[Step, str]]
"""Each step with what its command printed."""


def told() -> Told:
    """Tells it on a lab of its own."""
    found: Told = []
    with tempfile.TemporaryDirectory(prefix="kubevouch-") as name:
        desk = Path(name, "desk")
        desk.mkdir()
        with lab(desk, os.environ) as cluster:
            (desk / "ssh_config").symlink_to(cluster.ssh_config)
            for step in steps(cluster):
                done = run(step.typed, desk, cluster, kept=True)
                if done.returncode not in step.codes:
                    raise NotAsTold(f"{step.typed}: {done.stdout}")
                found.append((step, done.stdout.replace(str(desk), "~")))
    return found


def page(story: Told) -> str:
    """The whole story in Markdown."""
    parts = [_PAGE]
    for step, printed in story:
        said = " ".join(step.said.replace("\n#", "").split())
        parts.append(
            f"{said}\n\n" * bool(said) + f"```text\n$ {step.typed}\n{printed.rstrip()}\n```\n"
        )
    return "\n".join(parts)


def high_points(story: Told) -> list[tuple[str, str]]:
    """(class, line) of what the picture shows."""
    lines: list[tuple[str, str]] = []
    for step, printed in story:
        if (patterns := _patterns(step.typed)) is not None:
            lines += [("typed", line) for line in f"$ {step.typed}".splitlines()]
            lines += [(_class(line), line) for line in _chosen(printed, patterns)]
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
    story = told()
    Path(sys.argv[1]).write_text(picture(high_points(story)), encoding="utf-8")
    Path(sys.argv[2]).write_text(page(story), encoding="utf-8")
