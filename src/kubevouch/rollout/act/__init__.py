"""The I/O of a roll-out: reads the API server, kubelets and nodes, and carries out decisions."""
