"""What several verbs share: the terminal, options, the way to a cluster, documents, progress."""
