"""Scrapes verified kubelets, computes usage as metrics-server does, and serves it.

- `store`: the frozen usages that the metrics API reads
- `pages`, `windows`: metrics-server's rules, pure: which samples count, and the rate between two of
them; `columns` holds the numbers of all containers of a node, `quick_pages` reads a page in exactly
a kubelet's form
- `fleet`: the cluster's nodes and pods for the scraper and the metrics API
- `scraper`: one task for each node, at its times (`moments.phase_of`); `scraping`: its settings,
and each node's results
- `collector`: watches nodes and pods, and combines all of these, without a server
- `serving`: the metrics API with discovery and probes, and its server

Kubelets are reached through `kubelet.io.fetch` only.
"""
