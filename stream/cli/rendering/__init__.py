"""Renders results: tables, progress, pages and files. It makes no decisions."""
