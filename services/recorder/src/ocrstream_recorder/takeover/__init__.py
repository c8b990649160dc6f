"""Takeover of a database that an older system filled.

Runs in `ocrstream-recorder migrate`.
"""
