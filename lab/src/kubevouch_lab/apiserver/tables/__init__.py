"""Objects as the tables that kubectl prints: the cells of the real printers of Kubernetes 1.36.

Sources: pkg/printers/internalversion/printers.go, kube-aggregator's registry/apiservice/etcd/etcd.go, and for kinds
without a printer apiserver's registry/rest/table.go (NAME and CREATED AT).
"""
