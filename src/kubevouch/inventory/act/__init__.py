"""The exporter: watches the certificates of a cluster and serves them as metrics. It changes nothing on the cluster."""
