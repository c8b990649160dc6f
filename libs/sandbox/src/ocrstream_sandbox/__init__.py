"""Child processes with resource limits, for code that may crash, hang or use too much memory.

The limits protect against faults, not against attackers: code that takes over a child has the
rights of its parent.
"""
