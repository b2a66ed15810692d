"""Scrapes verified kubelets, computes usage as metrics-server does, and serves it.

- `store`: the frozen usages that the metrics API reads, and why a node has none
- `points`, `windows`: metrics-server's rules, pure: which samples count, and the rate between two of them;
  `quick_points` reads a page in the exact form that kubelets write
- `fleet`: the nodes and pods of the cluster, by watch
- `scraper`: one task for each node; `collector`: all of these together, without a server
- `serving`: the metrics API with discovery and probes, and the server around it

Kubelets are reached through `kubelet.io.fetch` only.
"""
