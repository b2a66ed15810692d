"""The part of `kubelet` that opens sockets. Nothing outside this folder does.

Without any credential:
- `dial`: bare handshakes with many kubelets, and what each presented; `handshake` is one of them

With a token, after the kubelet's certificate has been verified to be that node's:
- `trust`: whom we believe to be a kubelet, for all nodes, and whether one is a certain node's
- `fetch`: a page of one kubelet; `stream`: the connection it is read from

- `names`: resolves names for both, apart from everything else
"""
