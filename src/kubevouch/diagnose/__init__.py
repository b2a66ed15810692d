"""Turns evidence into findings and their causes, by the rules and a catalogue of codes."""
