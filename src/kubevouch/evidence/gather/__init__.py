"""Gathers evidence: each file fills the values of the same-named file one folder up. It only reads.

- `inquiry`: turns answers and failures of the API server into facts and doubts
- `snapshot`: the evidence for doctor and plans; `names`: the evidence for a decision about a CSR
"""
