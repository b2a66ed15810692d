"""Which names and addresses a kubelet's certificate may have: pure rules about its CSR.

Each rule is a function, in a file by its subject: `identity`, `form`, `usable`, `ownership`, `timing`. `decide` runs
them all. Nothing here reads a cluster, a clock or a file, and no CSR is ever denied: one that does not pass is held,
since a kubelet whose CSR is denied sends another one every 32 seconds (client-go
util/certificate/certificate_manager.go).
"""
