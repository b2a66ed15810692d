"""`install`, `upgrade` and `remove` of every server: one way for all of them."""
