"""What is decided about a roll-out. Pure: facts in, a plan, a gate's result or a script's text out."""
