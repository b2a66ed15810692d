"""Time passes for what kubelets serve: `python -m real age 335d`. Programs keep the real clock, so certificates get earlier dates."""

from datetime import timedelta

from real import clock
from real.bed import Bed, Node
from real.pairs import YEAR, Pair, cluster_ca, kubelet_serving
from real.processes import at_once
from real.states import CURRENT, PKI, rotated_files


def age(bed: Bed, days: int) -> None:
    """Every kubelet serves what the cluster's CA would have issued so many days ago, and starts anew.

    A kubelet that runs for so long renews its client certificate by itself, so that one stays as it is.

    Raises:
        BedError: a kubelet has no certificate of the cluster's CA, or did not start.
    """
    ca, issued = bed.ca, timedelta(days=days)
    at_once(lambda node: _aged(node, ca, issued), bed.nodes)


def signed_by_a_former_ca(node: Node) -> None:
    """That kubelet serves what a CA of the same name issued a month ago, which is not the cluster's any more, and starts anew.

    Raises:
        BedError: it has no certificate of the cluster's CA, or did not start.
    """
    _aged(node, cluster_ca(clock.now() - YEAR), timedelta(days=30))


def _aged(node: Node, ca: Pair, by: timedelta) -> None:
    node.sh(f"test -L {CURRENT} && systemctl stop kubelet && rm -f {PKI}/kubelet-server-*")
    issued = clock.now() - by
    pair = kubelet_serving(ca, node.name, node.address, issued)
    node.machine.place(rotated_files(pair, issued))
    node.sh("systemctl start kubelet")
