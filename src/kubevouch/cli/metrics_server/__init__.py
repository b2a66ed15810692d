"""The verb `metrics-server`: its command line, its settings, and the server process."""
