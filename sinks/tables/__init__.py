"""LanceDB tables of one directory, whoever's rows they hold: reads, commits and upkeep. Begin with `lance_tables`."""
