"""Which names and addresses a kubelet's serving certificate may have: pure rules about its CSR.

`rules` has one file for each subject, and `decide` runs all rules. Nothing here reads a cluster, a
clock or a file. The policy holds a CSR that does not pass, and never denies one: after a denial a
kubelet sends another CSR every 32 seconds (client-go util/certificate/certificate_manager.go).

`credentials` finds a node's own client certificates, `sources` its names and addresses, and
`node_index` those of other nodes.
"""
