"""The approver's I/O: it watches, reads the live Node, writes approvals and its own records, and serves probes."""
