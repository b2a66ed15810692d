"""Evidence about a cluster at one moment: a frozen snapshot in which each fact has a vantage, the place it was measured from.

The modules here contain values and pure functions. `gather` reads the facts concurrently and
changes nothing. A fact that cannot be read becomes a doubt.
"""
