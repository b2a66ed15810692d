"""Reads metrics from kubelets it has verified, pairs them as metrics-server does, and serves what it has.

- `store`: the frozen tables that the metrics API reads, and why a node has no row
- `points`, `pairs`: upstream's rules, pure: which samples count, and what two of them say; `quick_points` reads a page
  that is as kubelets write it
- `fleet`: which nodes and pods there are, by watch
- `scraper`: each node its own task; `collector`: all of it together, without any server
- `serving`: the API, its discovery and probes, as values, and the server that is made of them
- `top`, `unknown`: what `kubevouch top` prints, and why a node has no numbers

Kubelets are reached through `kubelet.fetch` and by no other way.
"""
