"""The decisions of a roll-out. Pure functions: facts in; a plan, a gate's result or a script's text out."""
