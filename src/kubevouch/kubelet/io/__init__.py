"""The part of `kubelet` that opens sockets.

Without any credential:

- `dial`: bare handshakes with many kubelets, and the certificates that they present; `handshake`: a
  single handshake

With a token, after verifying that the certificate belongs to the node:

- `trust`: the CAs for kubelets, and the check that a peer is a certain node's kubelet
- `fetch`: fetches a page, such as /metrics/resource, from one kubelet; `stream`: its connection
- `names`: resolves names in its own threads, for `dial` and for `fetch`
"""
