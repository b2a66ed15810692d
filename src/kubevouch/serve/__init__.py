"""The common parts of all our HTTPS servers: TLS, authentication, authorization, probes, metrics and logs.

- `messages`: HTTP requests and responses, independent of an HTTP library; `statuses`: `kind:
  Status` errors with Kubernetes' texts; `negotiation`: the media type from an Accept header
- `authentication` (`client_trust`) and `authorization`: who the user is and what the user may do.
  Like k8s.io/apiserver, both delegate to the API server, with TokenReview and SubjectAccessReview;
  `cache` caches the responses
- `probes`: /livez, /readyz, /healthz
- `key_pair`: the serving certificate and its key, from files or self-signed; `shared_authority`:
  the same, signed by a CA that replicas share
- `logs`: lines in klog's format, or as JSON; `counters`: the counters that several servers have;
  `series`: per-node metrics as text
- `access_gate`: limits, authentication and authorization in front of the handlers; `listener`: TLS
  and HTTP; `accepting`: the listening socket; `connections`: which connections to close when too
  many are open
- `tls_reload`: reloads certificates and CAs while a server runs; `process`: signals and limits of
  the process; `server`: puts everything together, and serves /metrics

Only `kube.io.client.ApiClient` connects to the API server.
"""
