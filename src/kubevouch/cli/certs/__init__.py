"""The verb `certs`: its command line and its output."""
