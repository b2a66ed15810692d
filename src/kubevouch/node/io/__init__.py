"""The transport `ssh`, and what runs in a pod.

`shell` runs one process, with limited time and output.
"""
