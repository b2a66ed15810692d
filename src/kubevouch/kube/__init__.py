"""The client of the API server. No other package connects to it.

- `io`: everything that opens connections; only this folder imports aiohttp or asyncio
- `kubeconfig`, `access`: the cluster and user to use, by kubectl's rules
  (docs/reference/kubeconfig.md); `proxy`: the proxy
- `resources`: for each kind, its API path and a struct with the fields that kubevouch reads;
  `decode`: decodes objects and Table rows, and keeps raw objects for writing back
- `errors`: what the caller can do about a failure; `refusals`, `api_call`: turn error responses
  into these errors; `backoff`: the waits between retries

This package knows nothing about findings, policies or files on nodes.
"""
