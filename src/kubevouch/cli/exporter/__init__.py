"""The verb `exporter`: its command line, and the process that it starts."""
