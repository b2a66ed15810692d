"""The only door to a node's disk and services: runs a script there and reads its one line of JSON.

- `script`: a script and the answer it owes; `errors`: how it can fail to go there and back
- `io`: the transports; nothing outside that folder starts a process
"""
