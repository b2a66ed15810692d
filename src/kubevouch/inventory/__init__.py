"""Every certificate of a cluster: how long it is valid, who renews it, and what stops when it ends.

`evidence` finds the certificates. This package makes rows of them, and tables, metrics and a page
of the rows.
"""
