"""kubevouch-lab: a whole small cluster in one process, a second opinion on what Kubernetes does."""

__version__ = "0.1.0.dev0"
"""The version of kubevouch that it goes with: the two are released together."""
