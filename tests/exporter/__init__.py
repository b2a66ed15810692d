"""The exporter: what it dials when, what it says, and what it asks for."""
