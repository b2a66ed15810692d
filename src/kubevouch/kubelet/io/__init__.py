"""The part of `kubelet` that opens sockets. Nothing outside this folder does.

Without any credential:

- `dial`: bare handshakes with many kubelets, and what each presented; `handshake`: one of them

With a token, after the kubelet's certificate was verified as that node's:

- `trust`: the CAs that we trust for kubelets, and the check that a peer is a certain node's kubelet
- `fetch`: fetches a page from one kubelet; `stream`: its connection
- `names`: resolves names for both, in its own threads
"""
