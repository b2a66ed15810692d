"""The approver: a controller that approves kubelets' serving CSRs that pass the policy, and leaves others pending.

`decide` does no I/O: it determines when to decide each CSR, and how many CSRs of a node may be
approved. `act` watches, reads and writes.
"""
