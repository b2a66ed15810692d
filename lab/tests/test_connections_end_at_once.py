"""A connection that is ended is ended, also one that has let go of itself before."""

import asyncio

import pytest

from kubevouch_lab.disconnect import disconnect


class _OfPython3112(asyncio.Transport):
    """asyncio.sslproto's transport as Debian 12 has it: closed twice, it has no protocol to abort."""

    def __init__(self, *, closing: bool) -> None:
        super().__init__()
        self._closing = closing

    def is_closing(self) -> bool:
        return self._closing

    def abort(self) -> None:
        message = "'NoneType' object has no attribute '_abort'"
        raise AttributeError(message)


def test_a_connection_that_was_closed_twice_already_is_left_alone() -> None:
    disconnect(_OfPython3112(closing=True))
    disconnect(None)


def test_a_fault_of_an_open_connection_is_not_hidden() -> None:
    with pytest.raises(AttributeError):
        disconnect(_OfPython3112(closing=False))
