"""The rules about a CSR, in a file by subject. `policy.decide.RULES` lists them in order."""
