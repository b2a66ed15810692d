"""The transport `ssh`, and what runs in a pod. `shell` runs one process, bounded in time and output."""
