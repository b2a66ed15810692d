"""Scrapes verified kubelets, computes usage as metrics-server does, and serves it.

- `store`: the usage that the metrics API serves
- `pages`, `windows`: metrics-server's rules, without I/O: which samples count, and the rate between
  two samples; `columns`: the numbers of all containers of a node; `quick_pages`: a fast reader for
  pages in a kubelet's usual form
- `fleet`: the cluster's nodes and pods
- `scraper`: one task for each node, at the node's scrape times (`moments.phase_of`); `scraping`:
  the settings, and each node's results
- `collector`: watches nodes and pods, and combines all of these, without a server
- `serving`: the metrics API with discovery and probes, and its server

Kubelets are reached only through `kubelet.io.fetch`.
"""
