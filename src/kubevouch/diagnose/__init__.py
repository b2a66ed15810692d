"""Rules turn evidence into findings, whose texts are in a catalogue. `doctor` picks the causes."""
