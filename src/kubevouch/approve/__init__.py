"""The approver: a controller that approves kubelets' serving CSRs that pass the policy, and leaves others pending.

`decide` does no I/O: it applies the policy to each CSR, and determines when to try again and how
many CSRs of a node may be approved. `act` watches, reads and writes.
"""
