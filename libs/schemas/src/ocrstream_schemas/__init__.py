"""The event contract of Ocrstream: what stands on each topic, and how every reader judges it."""
