"""What a number of videos a day takes, by arithmetic over committed figures of the benchmarks. Begin with `lines`."""
