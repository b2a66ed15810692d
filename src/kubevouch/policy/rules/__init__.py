"""The rules about a CSR, one file for each subject. `policy.decide.RULES` lists them in order."""
