"""Reads a cluster's certificates from servers, API objects, kubeconfigs and disks.

Sends no credential to the servers that it dials.
"""
