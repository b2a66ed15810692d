"""What is known of a cluster at one moment: one frozen snapshot, each fact with where it was measured from.

`gather` asks everything at the same time and writes nothing. A fact that could not be read is a doubt, and stays one.
"""
