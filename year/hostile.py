"""CSRs that somebody would make who has a node's client certificate, and one of somebody who has none."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kubevouch_lab.cluster.site import Host
from tests.e2e.hostile import two_requests
from tests.support.requests import request

_SERVER = ("digital signature", "server auth")


@dataclass(frozen=True)
class Attempt:
    """pem: of the CSR, by the node that makes it, another node and the control plane."""

    name: str
    pem: Callable[[Host, Host, Host], bytes]
    usages: tuple[str, ...] = _SERVER


def _asking(names: Sequence[str] = (), addresses: Sequence[str] = ()) -> Callable[..., bytes]:
    """For what the node has, and more. In more, OTHER and MASTER stand for these."""

    def pem(node: Host, other: Host, master: Host) -> bytes:
        real = {"OTHER": other, "MASTER": master}
        more_names = [real[each].name if each in real else each for each in names]
        more_addresses = [real[each].address if each in real else each for each in addresses]
        return request(node.name, [node.name, *more_names], [node.address, *more_addresses])

    return pem


def _as_other(_: Host, other: Host, __: Host) -> bytes:
    return request(other.name, [other.name], [other.address])


def _hidden(node: Host, _: Host, __: Host) -> bytes:
    return two_requests(node.name, node.address, ("kubernetes.default.svc",))


def attempts() -> tuple[Attempt, ...]:
    """One a day, in this order."""
    return (
        Attempt("another node's address", _asking(addresses=["OTHER"])),
        Attempt("another node's name", _asking(names=["OTHER"])),
        Attempt("another node altogether", _as_other),
        Attempt("the API server's address", _asking(addresses=["MASTER"])),
        Attempt("the API server's name", _asking(names=["kubernetes.default.svc"])),
        Attempt("its name, hidden", _hidden),
        Attempt("the address of a Service", _asking(addresses=["10.96.0.10"])),
        Attempt("a name of the internet", _asking(names=["www.example.org"])),
        Attempt("a wildcard", _asking(names=["*.internal.example.com"])),
        Attempt("client auth, too", _asking(), (*_SERVER, "client auth")),
    )
