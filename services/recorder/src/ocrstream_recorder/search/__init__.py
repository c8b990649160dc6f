"""Search: parts of words in any script, over all text boxes.

The recording process keeps the index (`indexer`); the serving process queries it (`queries`).
"""
