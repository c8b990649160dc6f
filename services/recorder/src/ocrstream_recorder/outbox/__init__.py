"""The outbox: what leaves the database for Kafka and for webhooks, and deadlines that pass.

Runs in both processes; in the recording one alone: `backlog_metrics`, `deadline_rows`,
`deadline_watch`, `outbox_rows`, `sender`, `webhook_rows`, `webhook_sender`.
"""
