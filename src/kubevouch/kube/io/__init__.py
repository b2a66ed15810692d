"""The part of `kube` that connects to API servers and runs exec plugins.

- `client`: the API's verbs; `http_client`: a request with credentials and retries; `transport`: a
  single HTTP request
- `credentials`, `exec_plugin`: the credentials of a user, and how they are renewed
- `watch`: an informer, which lists and then watches; `watch_lines`: a single watch request
- `lease`: leader election; `absent`: finds a Node by name
- `failures`: turns aiohttp's exceptions into the errors of `kube`

This file imports nothing, because importing aiohttp takes 0.2 s.
"""
