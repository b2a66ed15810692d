"""Gathers evidence without changing anything. If `evidence` has a module of the same name as one here, it describes what is gathered.

- `inquiry`: turns responses and failures of the API server into facts and doubts
- `snapshot`: the evidence for doctor and plans; `names`: the evidence for a decision about a CSR
"""
