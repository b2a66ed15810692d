"""The control plane and the node of the kubelets' tests, on a clock that is wound."""

from tests.lab.kubelets.conftest import authority, cluster, node

__all__ = ["authority", "cluster", "node"]
