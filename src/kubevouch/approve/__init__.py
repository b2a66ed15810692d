"""The approver: a controller that approves kubelets' serving CSRs that pass the policy, and leaves others pending.

`decide`, without I/O, determines when to decide which CSR, and each node's budget. `act` watches,
reads and writes.
"""
