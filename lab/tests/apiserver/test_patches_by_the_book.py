"""Patches as RFC 7396 and RFC 6902 have them in their own examples: document, patch, and what becomes of it."""

import json
from pathlib import Path
from typing import Any

import pytest

from kubevouch_lab.apiserver import patches, status
from tests.support.rows import of_each

CASES = Path(__file__).parent / "cases"
NOT_APPLIED = "the server rejected our request due to an error in our request"
"""Whatever is wrong with the patch: kube-apiserver says no more (handlers/patch.go, applyJSPatch)."""


def _examples(rfc: int) -> list[Any]:
    lines = (CASES / f"rfc{rfc}.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


@of_each(_examples(7396), str)
def test_merge_patches_do_what_the_rfc_says(case: Any) -> None:
    target, patch, result = case
    assert patches.merge_patched(target, patch) == result


# Appendix A; null: the patch is refused.
@of_each(_examples(6902), str)
def test_json_patches_do_what_the_rfc_says(case: Any) -> None:
    document, operations, result = case
    before = json.dumps(document)
    if result is None:
        with pytest.raises(status.StatusError) as caught:
            patches.json_patched(document, operations)
        assert (caught.value.code, caught.value.message) == (422, NOT_APPLIED)
    else:
        assert patches.json_patched(document, operations) == result
    assert json.dumps(document) == before
