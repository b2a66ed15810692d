"""The I/O of a rollout: reads from the API server, kubelets and nodes, and carries out decisions."""
