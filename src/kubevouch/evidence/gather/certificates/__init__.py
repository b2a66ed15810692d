"""Reads the certificates of a cluster where they are in use.

Dialled servers get no credential.
"""
