"""Search: parts of words in any script, over all text boxes.

Runs in both processes; in the recording one alone: `indexer`; in the serving one alone: `queries`.
"""
