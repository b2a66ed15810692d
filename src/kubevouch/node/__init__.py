"""The only access to a node's disk and services: runs a script there and reads its answer, one line of JSON.

- `script`: a script and its answer; `errors`: the errors of a script run
- `io`: the transports; nothing outside that folder starts a process
"""
