"""Footage that callers send: received in parts, kept whole, and published as a producer would.

What the parts of the protocol mean is in `tus`, the files are in `spool`, and what is known of each in `register`.
Nothing here opens or probes footage: the decoders' sandbox does. Begin reading in `uploads`.
"""
