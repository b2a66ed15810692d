"""What all our HTTPS servers share: TLS, authentication, authorization, probes, metrics and log lines.

- `messages`: HTTP requests and responses as values, so that handlers know no HTTP library;
`statuses`: the `kind: Status` errors with Kubernetes' texts; `negotiation`: what an Accept header
asks for
- `authentication` (`client_trust`) and `authorization`: who the user is and what the user may do.
Like k8s.io/apiserver they delegate both to the API server, by TokenReview and SubjectAccessReview;
`cache`: its answers, kept for a while
- `probes`: /livez, /readyz, /healthz; `server`: /metrics
- `key_pair`: the serving certificate and its key, from files or self-signed; `shared_authority`:
signed by a CA that replicas share
- `logs`: klog's lines, and the same as JSON
- `access_gate`: limits, authentication and authorization in front of the handlers; `listener`: TLS
and HTTP; `accepting`: its sockets and their connections; `connections`: which ones to keep when too
many come
- `tls_reload`: certificates and CAs, renewed while a server runs; `process`: signals, and a
process's limits; `server`: all of these together

The API server is reached through `kube.io.client.ApiClient` only.
"""
