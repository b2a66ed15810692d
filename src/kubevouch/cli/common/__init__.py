"""Shared by several verbs: the terminal, options, access to a cluster, documents, progress."""
