"""What the serving process reads from Kafka: heartbeats of workers, and consumer lag.

Runs in the serving process.
"""
