"""Reads the certificates of a cluster where they are in use.

It sends no credential to servers that it dials.
"""
