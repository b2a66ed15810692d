"""Code that several verbs share: terminal, options, cluster access, documents, progress."""
