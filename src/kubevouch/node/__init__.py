"""Runs scripts on nodes, and reads their answers: one line of JSON from each script.

No other package accesses a node's disk or services.

- `script`: a script and its answer; `errors`: the errors of a script run
- `io`: the transports; nothing outside that folder starts a process
"""
