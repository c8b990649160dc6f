"""Pages with random text that is known to the pixel, and how a reading of them is scored.

`classes.toml` says what pages there are and what is asked of them. `generator` draws a page of a
class from a seed, `scoring` holds a reading against it. Nothing here knows any engine.
"""
