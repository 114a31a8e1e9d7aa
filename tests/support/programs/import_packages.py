"""Imports our packages and prints which of the named modules that loaded. Arguments: names of modules."""

import sys

import decoders
import models
import sinks
import stream
import stream.search.application

if __name__ == "__main__":
    assert all((decoders, models, sinks, stream.search.application))
    print([name for name in sys.argv[1:] if name in sys.modules])
