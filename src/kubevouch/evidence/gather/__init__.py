"""Gathers evidence without changing anything. Most modules fill the classes of the module with the same name in `evidence`.

- `inquiry`: turns responses and failures of the API server into facts and doubts
- `snapshot`: the evidence for doctor and plans; `names`: the evidence for a decision about a CSR
"""
