"""Child processes within limits, for code that may crash, hang, eat memory or be a stranger's."""
