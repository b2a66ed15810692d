"""The verb `fix`: its command line, the plan, the run, and how both are shown."""
