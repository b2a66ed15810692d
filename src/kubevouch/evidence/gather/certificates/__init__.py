"""Reads the certificates of a cluster where they are in use.

No credential is sent to a dialled server.
"""
