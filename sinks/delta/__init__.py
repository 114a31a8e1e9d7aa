"""The Delta store and the Parquet sink that writes it. Begin with `sink`."""
