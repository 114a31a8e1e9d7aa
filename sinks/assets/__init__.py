"""What rows of an asset mean, apart from any store: fold, life cycle, status, ledger. Pure. Begin with `fold`."""
