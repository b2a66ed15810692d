"""Which clients a CSR's metadata.managedFields name (kube-apiserver 1.36: GetResetFields of CSRs, skipNonAppliedManager)."""

from typing import Any

import pytest

from kubevouch_lab.apiserver.kinds import CSRS
from lab.tests.plane import Plane
from lab.tests.signer.test_a_request_from_create_to_certificate import NODE, approve, serving


@pytest.mark.parametrize(
    ("metadata", "written"),
    [
        ({"generateName": "csr-"}, ["", "approval"]),
        ({"name": "one", "labels": {"made": "by-hand"}}, ["", "approval"]),
        ({"name": "one"}, []),
    ],
)
def test_a_csr_that_was_made_with_a_name_and_nothing_else_names_nobody(
    running: Plane, metadata: Any, written: list[str]
) -> None:
    made = running.client(NODE).create(CSRS, {**serving(), "metadata": metadata})
    approved = approve(running, made)
    managers = approved["metadata"].get("managedFields") or []
    assert [each.get("subresource", "") for each in managers] == written
