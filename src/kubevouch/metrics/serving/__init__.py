"""metrics.k8s.io, v1 and v1beta1, as metrics-server serves it: requests and responses as values, without HTTP.

- `api`: nodes and pods, get and list; `objects`: their JSON, lists and kubectl's tables; `selectors`: labels and fields
- `discovery`: what the API server's aggregator asks for, OpenAPI too
- `server`: all of it, and what makes it ready and alive

Sources: metrics-server's pkg/api (0.9) and apiserver's generic handlers; the texts are theirs.
"""
