"""Who asks the doors: each file fills the values of the file of that name one folder up. Reads only.

- `inquiry`: how answers and failures of the API server become facts and doubts
- `snapshot`: everything at the same time, for doctor and plans; `policy_evidence`: what a decision about a CSR needs
"""
