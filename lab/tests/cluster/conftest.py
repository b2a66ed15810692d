"""The control plane and the node of the kubelets' tests, on a clock that is wound."""

from lab.tests.kubelets.conftest import cluster, node

__all__ = ["cluster", "node"]
