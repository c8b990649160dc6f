"""The database: its tables, connections and column conversions.

Runs in both processes; in the recording one alone: `transaction_size`; in the serving one alone:
`executions`, `tables`.
"""
