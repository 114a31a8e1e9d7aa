"""What the stores answer: moments, assets, spaces, ledgers. Read only, from any process. Begin with `moments`."""
