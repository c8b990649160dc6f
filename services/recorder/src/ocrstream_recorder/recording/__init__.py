"""Recording: polls of Kafka records become rows, each poll in one transaction.

Runs in the recording process.
"""
