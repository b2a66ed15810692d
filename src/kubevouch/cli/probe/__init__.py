"""The verb `probe`: its command line, what it examines, and how that is shown."""
