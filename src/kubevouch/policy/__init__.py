"""Which names and addresses a kubelet's certificate may have: pure rules about its CSR.

Each rule is a function of `rules`, in a file by its subject. `decide` runs them all. Nothing here
reads a cluster, a clock or a file. The policy holds a CSR that does not pass and never denies it: a
kubelet whose CSR is denied sends another one every 32 seconds (client-go
util/certificate/certificate_manager.go).

`credentials` says which client certificates are a node's own. Two parts serve the approver only:
`sources` (who says what a node has) and `node_index` (what other nodes have, updated node by node).
"""
