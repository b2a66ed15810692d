"""The only door to a node's disk and services: runs a script there and reads its one line of JSON."""
