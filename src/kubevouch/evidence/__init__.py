"""Evidence about a cluster: a snapshot of facts, each with the place from which it was measured (its vantage).

The modules here contain values and pure functions. `gather` reads the facts concurrently and
changes nothing. A fact that cannot be read has a Doubt instead of a value.
"""
