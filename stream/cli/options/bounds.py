"""How large a number may be that a person types. Every numeric option has two bounds: stores, clocks and brokers have.

(A float option with both refuses what is no number, too.)
"""

DAY_S = 86_400.0
YEAR_S = 365 * DAY_S
LAST_TIME_MS = 253_402_300_799_999
"""The end of the year 9999."""
MOST_PARTITIONS = 100_000
MOST_REPLICAS = 100_000
MOST_ROWS = 1_000_000
