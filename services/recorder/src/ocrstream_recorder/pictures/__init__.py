"""Images as files that browsers and PDFs can show, made by processes of their own."""
