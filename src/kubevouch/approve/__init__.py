"""The approver: a controller that approves kubelets' CSRs for serving certificates, and holds what the policy does not pass.

`decide` is pure: when to ask again, how often, what to tell. `act` watches, reads and writes.
"""
