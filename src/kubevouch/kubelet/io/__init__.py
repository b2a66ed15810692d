"""The half of `kubelet` that opens sockets. Nothing outside this folder does.

With no credential ever:
- `dial`: bare handshakes with many kubelets, and what each presented; `handshake` is one of them

With a token, after the kubelet has proven to be the node's:
- `fetch`: a page of one kubelet; `stream`: the connection it is read from
"""
