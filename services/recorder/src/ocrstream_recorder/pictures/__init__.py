"""Image files in a form that browsers and PDFs show, converted in child processes."""
