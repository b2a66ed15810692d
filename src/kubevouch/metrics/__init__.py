"""Reads metrics from kubelets it has verified, pairs them as metrics-server does, and keeps what may be served.

- `store`: the frozen tables that the metrics API reads, and why a node has no row
- `points`, `pairs`: upstream's rules, pure: which samples count, and what two of them say
- `fleet`: which nodes and pods there are, by watch
- `scraper`: each node its own task; `collector`: all of it together

It serves nothing itself: that is `serve`'s. Kubelets are reached through `kubelet.fetch` and by no other way.
"""
