"""The deciding part of a rollout.

Pure: it turns facts into a plan, a gate's result or a script's text.
"""
