"""Care of the stores: verify, repair, reconcile, compact, drop. Begin with `verify`."""
