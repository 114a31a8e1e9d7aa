"""What people ask of the stores: search, assets, ledgers. Read only, from any process. Begin with `search`."""
