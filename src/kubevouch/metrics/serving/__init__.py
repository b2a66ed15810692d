"""metrics.k8s.io, v1 and v1beta1, as metrics-server serves it: requests and responses as values, without HTTP.

- `api`: nodes and pods, get and list; `objects`: their JSON, lists and kubectl's tables;
`selectors`: labels and fields
- `discovery`: documents for the API server's aggregator, also OpenAPI
- `server`: all of it, and its readiness and liveness

Sources: metrics-server's pkg/api (0.9) and apiserver's generic handlers, with their texts.
"""
