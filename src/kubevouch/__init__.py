"""kubevouch: from metrics-server 0/3 to verified TLS on every kubelet, without the port going dark."""

__version__ = "0.1.0.dev0"
PUBLISHED_IMAGE = ""
"""This version's image as NAME@sha256:DIGEST. Empty unless the release was published to a registry."""
