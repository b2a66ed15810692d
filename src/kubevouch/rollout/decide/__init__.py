"""The deciding part of a rollout. Pure: facts in; a plan, a gate's result or a script's text out."""
