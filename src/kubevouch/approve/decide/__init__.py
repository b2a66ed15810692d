"""What the approver decides besides the policy: when to ask again, how much a node may have, what is told and to whom."""
