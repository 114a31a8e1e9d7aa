"""LanceDB tables of one store, whoever's rows they hold: reads, commits and upkeep. Begin with `lance_tables`."""
