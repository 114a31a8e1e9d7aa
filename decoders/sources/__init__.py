"""The bytes of a URI, checked against the policy before the first read. Begin with `opening`."""
