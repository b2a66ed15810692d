"""Which line an edit of config.yaml has changed: so much an undo takes out of a file that others have edited since."""

import pytest

from kubevouch.kubelet.splice import Edit, changed_line, set_server_tls_bootstrap
from tests.kubelet.judged import HEAD

OURS = b"serverTLSBootstrap: true\n"


@pytest.mark.parametrize(
    ("before", "ours", "replaced"),
    [
        (HEAD, OURS, b""),
        (HEAD[:-1], OURS, b""),
        (HEAD.replace(b"\n", b"\r\n"), b"serverTLSBootstrap: true\r\n", b""),
        (HEAD + b"serverTLSBootstrap: false # later\n", b"serverTLSBootstrap: true # later\n", b"serverTLSBootstrap: false # later\n"),
        (b"serverTLSBootstrap: false\n" + HEAD, OURS, b"serverTLSBootstrap: false\n"),
        (HEAD + b"serverTLSBootstrap:\n", OURS, b"serverTLSBootstrap:\n"),
        (HEAD + b"...\n", OURS, b""),
    ],
)  # fmt: skip
def test_it_is_the_line_of_our_key(before: bytes, ours: bytes, replaced: bytes) -> None:
    edit = set_server_tls_bootstrap(before)
    assert isinstance(edit, Edit)
    found = changed_line(edit.before, edit.after)
    assert found is not None
    assert (found.ours, found.before) == (ours, replaced)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"a\nb\n", b"a\nb\n"),
        (b"a\nb\n", b"a\n"),
        (b"a\nb\n", b"x\ny\n"),
        (b"a\nb\n", b"a\nx\ny\nb\n"),
        (b"a\nb\nc\n", b"a\nx\n"),
    ],
)
def test_no_line_is_named_where_more_or_less_than_one_differs(before: bytes, after: bytes) -> None:
    assert changed_line(before, after) is None
