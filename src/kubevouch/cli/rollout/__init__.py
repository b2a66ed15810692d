"""The verbs of a rollout: plan, apply, status, resume and undo, and their output."""
