"""What stores ask of the place they lie at, beside their tables: small files, sizes, and on an object store who may
write. Begin with `files`. Tables are opened by their own libraries.
"""
