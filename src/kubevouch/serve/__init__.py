"""What every server of ours shares.

- `messages`: a request and an answer as values, so that what is served knows no HTTP library; `statuses`: the
  `kind: Status` errors with Kubernetes' texts; `negotiation`: what an Accept header asks for
- `attributes`: what a request asks for, in RBAC's words
- `authentication` (`headers`, `tokens`, `trust`) and `authorization`: who asks and whether he may, as
  k8s.io/apiserver delegates both to the API server; `reviews`: the objects that ask; `cache`: answers kept for a while
- `probes`: /livez, /readyz, /healthz; `exposition`: /metrics
- `pair`: the certificate we serve, from files or made at the start
- `logs`: klog's lines, and the same as JSON
- `gate`: all of it in front of what is served; `listener`: TLS and HTTP; `process`: signals and the end

The only way to the API server is `kube.client.ApiClient`.
"""
