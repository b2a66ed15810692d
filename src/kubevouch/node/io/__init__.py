"""The ssh transport, and the program that runs in a pod on a node.

`shell` runs one process, with limited time and output.
"""
