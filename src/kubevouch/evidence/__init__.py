"""What is known of a cluster at one moment: one frozen snapshot, each fact with where it was measured from.

The files here are values, and what follows from them without asking anybody. `gather` asks: everything at the same
time, reading only. A fact that could not be read is a doubt, and stays one.
"""
