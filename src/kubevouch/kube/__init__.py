"""The only door to the API server.

- `io`: everything that talks to it; nothing outside that folder loads aiohttp or an event loop
- `kubeconfig`, `access`: which cluster, reached how, as whom, as kubectl would say (docs/kubeconfig.md);
  below them `fields`, `users`, `proxy`
- `resources`: where each kind lives, and narrow structs to read it into; `decode`, `raw`: reading, and writing back
- `errors`: what the caller can do about it; `refusals`, `asked`: how answers become them; `backoff`: waits between two

It knows nothing of findings, policies or nodes' files.
"""
