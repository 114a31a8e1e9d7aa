"""Annotations to stores: the fold, LanceDB, Delta/Parquet, the ledger, search and verification."""
