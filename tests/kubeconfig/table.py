"""The rows of docs/reference/kubeconfig.md: the cases in which kubevouch differs. `python -m tests.kubeconfig.table` writes them there."""

from pathlib import Path

from tests.kubeconfig.bench import all_cases

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "kubeconfig.md"
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
    """The table, in the order of the groups."""
    differing = [case for case in all_cases() if case.differs]
    differing.sort(key=lambda case: (GROUPS.index(case.group), case.name))
    return "\n| what | kubectl | kubevouch | case |\n|---|---|---|---|\n" + "".join(
        f"| {case.says} | {case.kubectl} | {case.differs} | `{case.name}` |\n" for case in differing
    )


def written() -> str:
    """The page with its rows as they should be."""
    page = PAGE.read_text()
    before, after = page.split(BEGIN)[0], page.split(END)[1]
    return before + BEGIN + rows() + "\n" + END + after


if __name__ == "__main__":
    PAGE.write_text(written())
