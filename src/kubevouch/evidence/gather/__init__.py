"""Gathers evidence without changing anything. Several modules here read the facts that the `evidence` module of the same name describes.

- `inquiry`: turns responses and failures of the API server into facts and doubts
- `snapshot`: the evidence for doctor and plans; `names`: the evidence for a decision about a CSR
"""
