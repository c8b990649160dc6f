"""The rules as properties."""
