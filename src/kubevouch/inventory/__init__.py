"""Every certificate of a cluster: how long it lives, who renews it, and what stops when it ends.

`evidence` finds the certificates. Here they become rows, and rows become tables, metrics and a
page.
"""
