"""Runs a `rushes` command line and prints which allocator Arrow takes afterwards."""

from contextlib import suppress

from stream.cli.app import main

if __name__ == "__main__":
    with suppress(SystemExit):
        main()
    # Only now, as it asks when it loads.
    import pyarrow as pa

    print(pa.default_memory_pool().backend_name)
