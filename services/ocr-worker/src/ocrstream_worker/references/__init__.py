"""Fetches the file of an image reference: one adapter for each scheme, behind one port."""
