"""The OCR engines, behind one port (`port`), in a process of their own (`engine_client`)."""
