"""The common part of `install`, `upgrade` and `remove` of all servers."""
