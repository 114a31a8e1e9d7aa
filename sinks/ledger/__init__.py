"""What a store knows of its cells and watermarks, in Lance tables of its own; both stores keep theirs so."""
