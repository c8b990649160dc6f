"""The database: its tables, connections and column conversions, for all processes."""
