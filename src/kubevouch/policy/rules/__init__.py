"""The rules about a CSR, by what they look at. `policy.decide.RULES` has them all, in their order."""
