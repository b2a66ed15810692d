"""The client of kubelets, and the parser of their files. No other package dials a kubelet.

- `io`: everything that opens a socket

Values and pure functions:

- `dial_result`: the target and result of a bare handshake (TLS only, without HTTP)
- `response`: parses HTTP responses from bytes
- `configuration`: the values and problems of one file; `effective`: the configuration merged from
  all files and flags; `flags`: the command line
- `splice`: edits one key of a file
- `document`: a YAML file with positions and problems; `known_keys`: the keys of a
  KubeletConfiguration

This package accesses neither the API server nor nodes' disks.
"""
