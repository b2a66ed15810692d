"""Who may have which name: pure rules over a certificate signing request of a kubelet.

One rule a function, in a file by what it looks at: `identity`, `form`, `names`, `addresses`, `timing`.
`judge` runs all of them. Nothing here reads a cluster, a clock or a file, and nothing is ever denied: a
request that does not pass is held, since a denied kubelet asks again every 32 seconds for ever
(client-go util/certificate/certificate_manager.go).
"""
