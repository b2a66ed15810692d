"""The part of `kube` that talks to API servers and starts exec plugins. Nothing outside this folder does.

- `client`: the API's verbs; `http_client`: a request with credentials and retries; `transport`: a single HTTP request
- `credentials`, `exec_plugin`: the credentials of a user, and how they are renewed
- `watch`: an informer, which lists and then watches; `watch_lines`: one of its requests
- `events`: sends Events behind other work, at a bounded rate
- `failures`: turns aiohttp's exceptions into this room's errors

Nothing is imported here: aiohttp takes a fifth of a second.
"""
