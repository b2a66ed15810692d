"""Scrapes verified kubelets, computes usage as metrics-server does, and serves it.

- `store`: the frozen usages that the metrics API reads
- `pages`, `windows`: metrics-server's rules, pure: which samples count, and the rate between two of them;
  `columns` holds the numbers of all containers of a node, `quick_pages` reads a page in the exact form that kubelets write
- `fleet`: the nodes and pods of the cluster as the scraper and the metrics API need them
- `scraper`: one task for each node, at its moments (`moments.phase_of`), by `scraping`'s settings, which also holds what became of each node
- `collector`: watches nodes and pods, and holds all of these together, without a server
- `serving`: the metrics API with discovery and probes, and the server around it

Kubelets are reached through `kubelet.io.fetch` only.
"""
