"""metrics.k8s.io, v1 and v1beta1, as metrics-server serves it.

- `api`: get and list of nodes and pods; `objects`: the JSON of objects, lists and kubectl's tables;
`selectors`: label and field selectors
- `discovery`: the discovery and OpenAPI documents for the API server's aggregator
- `server`: the complete server, with readiness and liveness

Sources: metrics-server's pkg/api (0.9), and the generic handlers and messages of k8s.io/apiserver.
"""
