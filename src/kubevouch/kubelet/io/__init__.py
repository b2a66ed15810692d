"""The part of `kubelet` that opens sockets. Nothing outside this folder does.

Without any credential:

- `dial`: bare handshakes with many kubelets, and what each presented; `handshake` is one of them

With a token, after the kubelet's certificate proved to be that node's:

- `trust`: which kubelets we believe, and whether one is a certain node's
- `fetch`: a page of one kubelet; `stream`: its connection
- `names`: resolves names for both, apart from everything else
"""
