"""Gathers evidence without changing anything. Many modules here gather the facts that the module of the same name in `evidence` describes.

- `inquiry`: turns responses and failures of the API server into facts and doubts
- `snapshot`: the evidence for doctor and plans; `names`: the evidence for a decision about a CSR
"""
