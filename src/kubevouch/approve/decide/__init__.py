"""The approver's decisions besides the policy: when to decide again, a node's budget, what to report."""
