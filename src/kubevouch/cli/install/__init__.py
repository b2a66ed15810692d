"""`install`, `upgrade` and `remove`, which all servers share."""
