"""Dead letters: records that cannot be applied, where they are kept, and how they are sent again.

The recording process writes them (`producer`, `breaker`); the serving process lists and redrives
them (`records`, `redrive`); `register` is the table of both.
"""
