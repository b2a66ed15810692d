"""Whether a kubelet's certificate has every name and address of its Node, as the kubelet itself asks for them."""

from kubevouch.kube.resources import Node
from kubevouch.policy.claims import as_address
from kubevouch.x509 import Certificate, unmapped


def addresses_missing(leaf: Certificate, node: Node) -> tuple[str, ...]:
    """Those of the Node's names and addresses that the certificate lacks (pkg/kubelet/certificate/kubelet.go).

    A kubelet that has one of its own making has nothing but its host name in it.
    """
    names = {name.lower() for name in leaf.dns_names}
    addresses = {unmapped(address) for address in leaf.ip_addresses}
    wanted = dict.fromkeys(each.address for each in node.status.addresses if each.address)

    def is_there(text: str) -> bool:
        address = as_address(text)
        return text.lower() in names if address is None else address in addresses

    return tuple(text for text in wanted if not is_there(text))
