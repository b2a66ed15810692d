"""Every certificate of a cluster: how long it is valid, who renews it, and what stops when it expires.

The package `evidence` finds the certificates. This package turns them into rows, and the rows into
tables, metrics and an HTML page.
"""
