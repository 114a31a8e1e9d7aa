"""The names of the understanding topology's stages, beside those that are called after the topic they read."""

PLAN, DECODE, UNDERSTAND, CAPTION, INDEX, PARQUET = "plan", "decode", "understand", "caption", "index", "parquet"
