"""The decisions of a roll-out. Pure functions, from facts to a plan, a gate's result or a script's text."""
