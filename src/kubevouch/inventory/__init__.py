"""Every certificate of a cluster: how long it lives, who renews it, and what stops when it ends.

What was found comes from `evidence`. Here it becomes rows, and rows become tables, metrics and a page.
"""
