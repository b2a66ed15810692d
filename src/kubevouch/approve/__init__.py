"""The approver: a controller that approves kubelets' serving CSRs, and holds those that the policy does not pass.

`decide` has no I/O: when to evaluate a CSR again, a node's budget, what to log. `act` watches,
reads and writes.
"""
