"""The only door to kubelets, and what their files mean.

On the wire, with no credential ever:
- `dial`: bare handshakes with many kubelets, and what each presented; `handshake` is one of them

With a token, after the kubelet has proven to be the node's:
- `fetch`: a page of one kubelet; `stream`, `response`: the connection it is read from, and HTTP as bytes

What a kubelet answers and what lies on its disk, as values (no I/O):
- `configz`, `resource_metrics`: two of its pages
- `configuration`: the values that matter and one file with its problems; `effective`: which source decides; `flags`:
  its command line; `pki`: which certificate the next start serves
- `splice`: the one-key edit
- below them: `document` (a YAML file with its places and problems), `known_keys`, `problems`

It knows certificates and TLS, and neither the API server nor nodes.
"""
