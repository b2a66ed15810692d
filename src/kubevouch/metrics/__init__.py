"""Scrapes verified kubelets, computes usage as metrics-server does, and serves it.

- `store`: the usage that the metrics API serves
- `pages`: parses a kubelet's /metrics/resource response, with metrics-server's rules for which
  samples count; `quick_pages`: a faster parser for responses in a kubelet's usual format
- `columns`: the measurements of a node's containers; `windows`: the rate between two measurements
- `fleet`: the cluster's nodes and pods
- `scraper`: scrapes each node in its own task; `scraping`: the settings and results of scrapes
- `collector`: watches nodes and pods, and combines all of these, without a server
- `serving`: the metrics API with discovery and probes, and its server

Kubelets are reached only through `kubelet.io.fetch`.
"""
