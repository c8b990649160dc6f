"""The rules as properties: every order, repetition and grouping of events ends in the same state."""
