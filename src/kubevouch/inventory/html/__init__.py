"""Reports as one self-contained HTML page, without scripts, fonts or external pictures."""
