"""The client of the API server. Nothing else in the product talks to it.

- `io`: everything that opens connections; only this folder loads aiohttp or an event loop
- `kubeconfig`, `access`: which cluster to reach, how, and as which user, by kubectl's rules
(docs/reference/kubeconfig.md); below them `proxy`
- `resources`: the API path and the narrow struct of each kind; `decode`: reading objects, and rows
of a Table, and keeping what is written back
- `errors`: what the caller can do about a failure; `refusals`, `api_call`: how error responses
become these errors; `backoff`: the waits between retries

This room knows nothing of findings, policies or nodes' files.
"""
