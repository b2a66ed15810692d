"""The approver's I/O: watches, reads the live Node, writes approvals and the approver's records, and serves probes."""
