"""The verb `top`: its command line, what it asks, the rows, why a value is unknown, and how it is shown."""
