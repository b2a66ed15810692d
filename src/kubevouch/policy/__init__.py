"""Rules that decide which names and addresses a kubelet's serving certificate may contain.

`rules` has one file for each subject, and `decide` runs all rules. Nothing here reads a cluster, a
clock or a file. A CSR that does not pass is held: it stays pending. It is never denied, since a
kubelet whose CSR is denied sends another one every 32 seconds (client-go
util/certificate/certificate_manager.go).

`credentials` finds a node's own client certificates, `sources` its names and addresses, and
`node_index` those of other nodes.
"""
