"""The code of a finding is written in the catalogue and nowhere else: rules and callers name it (`Code.EXPIRED`)."""

import ast
import re
from pathlib import Path

PRODUCT = Path(__file__).parents[2] / "src" / "kubevouch"
CATALOGUE = PRODUCT / "diagnose" / "catalogue"
_CODE = re.compile(r"KV\d{3}")


def codes_in(source: str) -> list[str]:
    """Finding codes that stand as a string of their own."""
    return [
        node.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and _CODE.fullmatch(node.value)
    ]


def test_no_code_stands_outside_the_catalogue() -> None:
    literals = {
        str(file.relative_to(PRODUCT)): codes
        for file in PRODUCT.rglob("*.py")
        if not file.is_relative_to(CATALOGUE)
        and (codes := codes_in(file.read_text(encoding="utf-8")))
    }
    assert not literals


def test_a_code_is_recognised() -> None:
    assert codes_in('if code == "KV101" or code.startswith("KV9"): "see KV101"') == ["KV101"]
