"""What all our HTTPS servers share: TLS, authentication, authorization, probes, metrics and log lines.

- `messages`: HTTP requests and responses as values, so that handlers know no HTTP library; `statuses`: the
  `kind: Status` errors with Kubernetes' texts; `negotiation`: what an Accept header asks for

The only way to the API server is `kube.client.ApiClient`.
"""
