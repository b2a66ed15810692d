"""A kubelet's /configz: the configuration that it runs with, as of its start.

It has defaults, files and flags merged, and also the paths of a self-signed pair that no file names. Which of its
fields matter stands in `configuration`. Sources:
staging/src/k8s.io/component-base/configz/configz.go, initConfigz in cmd/kubelet/app/server.go.
"""

from typing import Any, Final

import msgspec

from kubevouch.kubelet.configuration import values_of
from kubevouch.kubelet.document import Tree
from kubevouch.kubelet.errors import AnswerError

LARGEST: Final = 1 << 20
"""Bytes. A kubelet's answer has about 3,000."""


class _Page(msgspec.Struct, frozen=True):
    kubeletconfig: dict[str, Any]


_DECODER: Final = msgspec.json.Decoder(_Page)


def read_configz(body: bytes, where: str) -> Tree:
    """The keys in a /configz answer, whose types are right. `where` names the kubelet.

    A key that is absent has its default there: serverTLSBootstrap is left out of the answer when it is false.

    Raises:
        AnswerError: the body is not an answer of /configz.
    """
    expected = '{"kubeletconfig": {...}} was expected'
    if len(body) > LARGEST:
        raise AnswerError(f"{where}, /configz", f"{len(body)} bytes", expected)
    try:
        tree = _DECODER.decode(body).kubeletconfig
        values_of(tree)
    # The last: JSON nested so deeply that the decoder gives up.
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise AnswerError(f"{where}, /configz", str(error), expected) from None
    return tree
