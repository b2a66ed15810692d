"""The story, told to a person: from metrics-server 0/3 to verified TLS on every kubelet."""
