"""The rules that are peculiar to a kind: defaults, what must be there, what is immutable."""
