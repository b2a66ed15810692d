"""Manifests as an operator reads them, by PyYAML."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml


def folder_of_manifests(server: str = "approver") -> Path:
    """A server's."""
    return Path(__file__).parents[2] / "deploy" / server


def objects(*patterns: str, server: str = "approver") -> list[Any]:
    """All objects in a server's files that one of the patterns fits."""
    folder = folder_of_manifests(server)
    files = [path for pattern in patterns for path in sorted(folder.glob(pattern))]
    assert files
    return [each for path in files for each in yaml.safe_load_all(path.read_text("utf-8"))]


def rights(things: Iterable[Any]) -> set[tuple[str, str, str]]:
    """(verb, group, resource) of every rule of the roles among these objects."""
    return {
        (verb, group, resource)
        for thing in things
        for rule in thing.get("rules") or ()
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


REVIEWS = {
    ("create", "authentication.k8s.io", "tokenreviews"),
    ("create", "authorization.k8s.io", "subjectaccessreviews"),
}
"""What the role system:auth-delegator of Kubernetes allows."""


def in_short(found: set[tuple[str, str, str]]) -> set[tuple[str, str]]:
    """(verb, resource), as an audit log has them."""
    return {(verb, what) for verb, _, what in found}
