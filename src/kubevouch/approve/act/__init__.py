"""What the approver does: it watches, reads the live Node, writes approvals, Events and its own records, and serves probes."""
