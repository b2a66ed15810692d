"""The control plane and the node of the kubelets' tests, on a clock that is wound."""

from tests.lab.kubelets.conftest import cluster, node

__all__ = ["cluster", "node"]
