"""Options that several commands share, and what a person typed as values that the engine takes."""
