"""The approver: a controller that approves kubelets' serving CSRs, and holds those that the policy does not pass.

`decide` is pure: when to look again, how often, what to log. `act` watches, reads and writes.
"""
