"""The approver's decisions without I/O: when to decide again, a node's budget, what to report."""
