"""Turns evidence into findings: the catalogue of codes, the rules, and the few causes behind the findings."""
