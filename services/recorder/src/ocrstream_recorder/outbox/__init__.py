"""The outbox: what leaves the database for Kafka and for webhooks, and deadlines that pass.

Runs in the recording process.
"""
