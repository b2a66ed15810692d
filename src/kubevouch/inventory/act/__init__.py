"""The exporter: keeps the certificates of a cluster up to date, and serves them as metrics.

Never writes.
"""
