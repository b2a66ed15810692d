"""The verb `run`: several of our servers in one process."""
