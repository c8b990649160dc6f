"""Takeover of a database that an older system filled, by `ocrstream-recorder migrate`.

Runs in neither process.
"""
