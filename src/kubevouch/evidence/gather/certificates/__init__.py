"""Reads the certificates of a cluster, each from where it is really used. No credential goes to what is dialled."""
