"""The acting part of a rollout: it reads the API server, kubelets and nodes, and carries out decisions."""
