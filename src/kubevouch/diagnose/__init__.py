"""Turns evidence into findings: the catalogue of codes, the rules, and the one cause behind the findings."""
