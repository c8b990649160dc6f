"""Images as files that browsers and PDFs can show, made by child processes.

Runs in the serving process.
"""
