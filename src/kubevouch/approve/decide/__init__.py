"""What the approver decides besides the policy: when to look again, how much a node may have, what to report."""
