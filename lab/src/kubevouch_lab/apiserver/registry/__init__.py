"""The rules that are peculiar to a kind: defaults, what is immutable, what is refused."""
