"""The approver's I/O: watches the cluster, reads live Nodes, writes approvals and records."""
