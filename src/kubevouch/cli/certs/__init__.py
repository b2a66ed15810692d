"""The verb `certs`: its command line, and how the inventory is shown."""
