"""Gathers evidence, read-only. Most files fill the values of the file with the same name one folder up.

- `inquiry`: turns responses and failures of the API server into facts and doubts
- `snapshot`: the evidence for doctor and plans; `names`: the evidence for a decision about a CSR
"""
