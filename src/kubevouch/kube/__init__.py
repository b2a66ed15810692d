"""The only door to the API server.

- `kubeconfig`, `access`: which cluster, reached how, as whom, as kubectl would say (docs/kubeconfig.md);
  below them `fields`, `users`, `proxy`
- `credentials`, `exec_plugin`: what is sent to prove who we are, and how it is renewed
- `client`: the verbs; `door`: one request with credentials and retries; `transport`: the bytes on the wire
- `watch`: list, then watch, for ever; `watch_lines` is one request of it, `backoff` what lies between two
- `resources`: where each kind lives, and narrow structs to read it into; `decode`, `raw`: reading, and writing back
- `errors`: what the caller can do about it; `refusals`, `failures`, `asked`: how answers and accidents become them

It knows nothing of findings, policies or nodes' files. Nothing is imported here: aiohttp takes a fifth of a second,
and `errors` and `resources` are wanted without it.
"""
