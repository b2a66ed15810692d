"""Evidence about a cluster at one moment: a frozen snapshot in which each fact states where it was measured from.

The files here are values and pure functions of them. `gather` reads the facts, all at the same time, and changes
nothing. A fact that could not be read is a doubt.
"""
