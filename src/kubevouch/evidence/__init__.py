"""Evidence about a cluster: a snapshot of facts, each with the place from which it was measured (its vantage).

The modules here define the types of facts, and pure functions that work on them. `gather` reads the
facts concurrently and changes nothing. A fact that cannot be read has a Doubt instead of a value.
"""
