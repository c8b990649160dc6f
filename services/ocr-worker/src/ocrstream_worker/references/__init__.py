"""From an image reference to the bytes of its file: an adapter for each scheme behind one port."""
