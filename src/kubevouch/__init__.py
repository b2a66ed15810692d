"""kubevouch gives every kubelet a verifiable serving certificate without an outage of its port."""

__version__ = "0.1.0.dev0"
PUBLISHED_IMAGE = ""
"""This version's image as NAME@sha256:DIGEST. Empty unless the release was published to a registry."""
