"""Results as a person sees them: tables, progress, pages and files. No decision is made here."""
