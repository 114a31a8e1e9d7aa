"""Limits for numbers that a person types. Every numeric option has two: stores, clocks and brokers have limits too.

(A float option with both limits also refuses "nan".)
"""

DAY_S = 86_400.0
YEAR_S = 365 * DAY_S
# `datetime` knows no later year, and times of stores are shown through it.
LAST_TIME_MS = 253_402_300_799_999
"""The end of the year 9999."""
MAX_PARTITIONS = 100_000
MAX_REPLICAS = 100_000
MAX_ROWS = 1_000_000
