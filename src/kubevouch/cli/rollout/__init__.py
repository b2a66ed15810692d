"""The verbs of a roll-out: plan, apply, status, resume and undo, and their output."""
