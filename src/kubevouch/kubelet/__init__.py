"""The client of kubelets, and the meaning of their files.

Nothing else in the product dials a kubelet.

- `io`: everything that opens a socket; nothing outside that folder does

Kubelets' answers and files, as values:

- `dial_result`: the target and result of a bare handshake
- `response`: HTTP as bytes
- `configuration`: the values that matter and one file with its problems; `effective`: which source
decides; `flags`: its command line; `pki`: which certificate the next start serves
- `splice`: the one-key edit
- below them: `document` (a YAML file with its positions and problems), `known_keys`, `problems`

It knows certificates and TLS, and neither the API server nor nodes.
"""
