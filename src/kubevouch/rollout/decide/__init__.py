"""The decisions of a rollout. Pure functions that turn facts into a plan, a gate's result or a script's text."""
