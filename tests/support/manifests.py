"""The approver's manifests as an operator reads them, by PyYAML."""

from pathlib import Path
from typing import Any

import yaml


def folder_of_manifests() -> Path:
    return Path(__file__).parents[2] / "deploy" / "approver"


def objects(*patterns: str) -> list[Any]:
    """All objects in the files that one of the patterns fits."""
    files = [path for pattern in patterns for path in sorted(folder_of_manifests().glob(pattern))]
    assert files
    return [each for path in files for each in yaml.safe_load_all(path.read_text("utf-8"))]
