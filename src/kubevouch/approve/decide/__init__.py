"""The approver's decisions without I/O: whether and when to approve each CSR."""
