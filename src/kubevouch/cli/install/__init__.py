"""`install`, `upgrade` and `remove`, shared by all servers."""
