"""The stage names of the understanding topology, except stages that have the name of the topic that they read."""

GATE = "gate"
PLAN, DECODE, UNDERSTAND, CAPTION, INDEX, PARQUET = "plan", "decode", "understand", "caption", "index", "parquet"
