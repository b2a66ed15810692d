"""Gathers evidence: each file fills the values of the file of the same name one folder up. Only reads.

- `inquiry`: turns answers and failures of the API server into facts and doubts
- `snapshot`: the evidence for doctor and plans; `names`: the evidence for a decision about a CSR
"""
