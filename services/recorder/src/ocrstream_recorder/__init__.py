"""The recorder: reads every event, alone owns PostgreSQL, answers questions about what was read."""
