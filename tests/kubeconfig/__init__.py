"""A kubeconfig must mean here what it means to kubectl: cases as folders, kubectl's own answers beside them."""
