"""The story and its failures on a real cluster. Written once against `cluster.Cluster`; the bed is one such cluster."""
