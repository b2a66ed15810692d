"""The approver: a controller that approves kubelets' serving CSRs that pass the policy, and leaves others pending.

`decide` has no I/O: it has the CSRs to decide, when to decide them again, and each node's budget.
`act` watches, reads and writes.
"""
