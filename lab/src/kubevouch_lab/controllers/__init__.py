"""What moves by itself in the lab: the part of a controller manager and a scheduler that its story needs.

Each controller looks at the store, and writes through a client as anybody else would. What to do is decided by pure
functions; `loop` calls them when something has changed.
"""
