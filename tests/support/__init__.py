"""What only tests need: fakes, forgeries, reference values, short cuts.

What benchmarks share lies in `benchmarks.testbed`.
"""
