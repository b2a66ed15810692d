"""Evidence about a cluster at one moment: a frozen snapshot in which each fact states its vantage.

The files here are values and pure functions of them. `gather` reads the facts concurrently and
changes nothing. An unreadable fact is a doubt.
"""
