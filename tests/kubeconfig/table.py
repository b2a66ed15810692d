"""The rows of docs/kubeconfig.md, from the cases. `python -m tests.kubeconfig.table` writes them there."""

import itertools
from pathlib import Path

from tests.kubeconfig.bench import Case, all_cases

PAGE = Path(__file__).parents[2] / "docs" / "kubeconfig.md"
BEGIN, END = "<!-- cases -->\n", "<!-- end of cases -->\n"
GROUPS = (
    "Which files",
    "Contexts",
    "What a file may hold",
    "The server",
    "Credentials",
    "Acting as somebody else",
    "Exec plugins",
    "Proxies",
)


def rows() -> str:
    """The table, a heading a group."""
    cases = sorted(all_cases(), key=lambda case: (GROUPS.index(case.group), case.name))
    parts = []
    for group, members in itertools.groupby(cases, key=lambda case: case.group):
        parts.append(f"\n## {group}\n\n| what | kubectl | kubevouch | case |\n|---|---|---|---|\n")
        parts += [_row(case) for case in members]
    return "".join(parts) + "\n"


def _row(case: Case) -> str:
    ours = case.differs or "the same"
    return f"| {case.says} | {case.kubectl} | {ours} | `{case.name}` |\n"


def written() -> str:
    """The page with its rows as they should be."""
    page = PAGE.read_text()
    before, after = page.split(BEGIN)[0], page.split(END)[1]
    return before + BEGIN + rows() + END + after


if __name__ == "__main__":
    PAGE.write_text(written())
