"""The verbs of a roll-out: the plan, the run, and how both are shown."""
