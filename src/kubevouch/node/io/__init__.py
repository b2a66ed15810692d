"""The transports: `ssh`, or `local` on this machine. `shell` runs one process, bounded in time and output."""
