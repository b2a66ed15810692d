"""The only door to a node's disk and services: carries a script there, and its one JSON line back."""
