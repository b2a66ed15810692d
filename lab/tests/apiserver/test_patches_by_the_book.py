"""Patches as RFC 7396 and RFC 6902 have them in their own examples."""

import json
from typing import Any

import pytest

from kubevouch_lab.apiserver import patches, status

NOT_APPLIED = "the server rejected our request due to an error in our request"
"""Whatever is wrong with the patch: kube-apiserver says no more (handlers/patch.go, applyJSPatch)."""


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patches_do_what_the_rfc_says(target: Any, patch: Any, result: Any) -> None:
    assert patches.merge_patched(target, patch) == result


# RFC 6902, appendix A; None: the patch is refused.
@pytest.mark.parametrize(
    ("document", "operations", "result"),
    [
        (
            {"foo": "bar"},
            [{"op": "add", "path": "/baz", "value": "qux"}],
            {"baz": "qux", "foo": "bar"},
        ),
        (
            {"foo": ["bar", "baz"]},
            [{"op": "add", "path": "/foo/1", "value": "qux"}],
            {"foo": ["bar", "qux", "baz"]},
        ),
        ({"baz": "qux", "foo": "bar"}, [{"op": "remove", "path": "/baz"}], {"foo": "bar"}),
        ({"foo": ["a", "b", "c"]}, [{"op": "remove", "path": "/foo/1"}], {"foo": ["a", "c"]}),
        ({"baz": "qux"}, [{"op": "replace", "path": "/baz", "value": "boo"}], {"baz": "boo"}),
        ({"baz": "qux"}, [{"op": "test", "path": "/baz", "value": "qux"}], {"baz": "qux"}),
        ({"baz": "qux"}, [{"op": "test", "path": "/baz", "value": "bar"}], None),
        (
            {"foo": "bar"},
            [{"op": "add", "path": "/child", "value": {"a": {}}}],
            {"foo": "bar", "child": {"a": {}}},
        ),
        ({"foo": "bar"}, [{"op": "add", "path": "/baz/bat", "value": "qux"}], None),
        ({"/": 9, "~1": 10}, [{"op": "test", "path": "/~01", "value": 10}], {"/": 9, "~1": 10}),
        (
            {"foo": ["bar"]},
            [{"op": "add", "path": "/foo/-", "value": ["abc"]}],
            {"foo": ["bar", ["abc"]]},
        ),
        ({"foo": [1]}, [{"op": "copy", "from": "/foo", "path": "/bar"}], None),
        ({"foo": 1}, [{"op": "remove", "path": "/bar"}], None),
        ({"foo": [1]}, [{"op": "test", "path": "/foo/1", "value": 1}], None),
        ({"foo": [1]}, [{"op": "test", "path": "/foo/0", "value": 2}], None),
        ({"foo": 1}, [{"op": "replace", "path": "/bar", "value": 2}], None),
        ({"foo": [1]}, [{"op": "add", "path": "/foo/3", "value": 2}], None),
        ({"foo": 1}, [{"op": "burn", "path": "/foo"}], None),
        ({"foo": 1}, [{"path": "/foo"}], None),
        ({"foo": 1}, {"op": "remove"}, None),
        ({"foo": 1}, [{"op": "add", "path": "foo", "value": 1}], None),
        ({"foo": 1}, [{"op": "replace", "path": "", "value": {}}], {}),
    ],
)
def test_json_patches_do_what_the_rfc_says(document: Any, operations: Any, result: Any) -> None:
    before = json.dumps(document)
    if result is None:
        with pytest.raises(status.StatusError) as caught:
            patches.json_patched(document, operations)
        assert (caught.value.code, caught.value.message) == (422, NOT_APPLIED)
    else:
        assert patches.json_patched(document, operations) == result
    assert json.dumps(document) == before
