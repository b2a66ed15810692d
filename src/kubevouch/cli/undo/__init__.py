"""The verb `undo`: its command line and the run."""
