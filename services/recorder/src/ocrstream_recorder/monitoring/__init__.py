"""What Kafka alone knows of the system: its workers, and how far consumers are behind.

Runs in the serving process.
"""
