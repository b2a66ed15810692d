"""Gathers evidence: each file fills the values of the file of the same name one folder up. Only reads."""
