"""Generated parts of the documents: each module turns one part of the code into Markdown. Nothing is written here;
`deploy.generate_docs` puts the texts between their marks. Begin with `deploy/documents/markdown.py`.
"""
