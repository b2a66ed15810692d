"""The only door to a node's disk and services: carries a script there, and its one JSON line back.

- `script`: a script and the answer it owes; `errors`: how it can fail to go there and back
- `io`: the ways there; nothing outside that folder starts a process
"""
