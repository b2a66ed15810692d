"""Writes the documentation of the codes from the catalogue: a page for each code, and an index. `make docs` runs it."""

from pathlib import Path

from kubevouch.diagnose.catalogue import CATALOGUE, FindingDefinition


def pages() -> dict[str, str]:
    """The pages as Markdown, by file name."""
    made = {f"{each.code}.md": _page(each) for each in CATALOGUE.values()}
    rows = "".join(
        f"| [{each.code}]({each.code}.md) | {each.severity} | {each.name} |\n"
        for each in CATALOGUE.values()
    )
    made["README.md"] = (
        "# Findings\n\nEvery code that `kubevouch doctor` and `kubevouch verify` can show. "
        "`kubevouch explain CODE` prints the same without a network.\n\n"
        "| code | severity | name |\n|---|---|---|\n" + rows
    )
    return made


def _page(definition: FindingDefinition) -> str:
    related = "".join(f"- {each}\n" for each in definition.related)
    return (
        f"# {definition.code} {definition.name}\n\nSeverity: {definition.severity}\n\n"
        f"**You see.** {definition.see}\n\n**Why.** {definition.why}\n\n**Do.** {definition.do}\n"
        + (f"\nRelated:\n\n{related}" if related else "")
    )


def write(folder: Path) -> None:
    """Writes all pages, and removes those of codes that no longer exist."""
    folder.mkdir(parents=True, exist_ok=True)
    made = pages()
    for old in folder.glob("*.md"):
        if old.name not in made:
            old.unlink()
    for name, text in made.items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(Path("docs/reference/findings"))
