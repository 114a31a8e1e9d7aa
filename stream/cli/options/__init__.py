"""Options that several commands share. They convert what a person typed into values for the engine."""
