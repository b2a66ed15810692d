"""What a roll-out does: it asks the API server, the kubelets and the nodes, and writes what was decided."""
