"""Exports: images in, bytes of documents out. It imports neither database nor HTTP."""
