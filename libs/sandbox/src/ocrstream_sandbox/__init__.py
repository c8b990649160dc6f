"""Child processes within limits, for code that may crash, hang, or eat memory.

They guard against what goes wrong, not against code that has taken a child over: that has the
rights of its parent.
"""
