"""The half of `kube` that talks to API servers and starts exec plugins. Nothing outside this folder does.

- `client`: the verbs; `door`: one request with credentials and retries; `transport`: the bytes on the wire
- `credentials`, `exec_plugin`: what is sent to prove who we are, and how it is renewed
- `watch`: list, then watch, for ever; `watch_lines` is one request of it
- `failures`: how aiohttp's accidents become this room's errors

Nothing is imported here: aiohttp takes a fifth of a second.
"""
