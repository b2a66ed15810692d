"""kubevouch gives every kubelet a verifiable serving certificate, and its port stays up meanwhile."""

__version__ = "0.1.0.dev0"
PUBLISHED_IMAGE = ""
"""This version's image as NAME@sha256:DIGEST. Empty unless the release was published to a registry."""
