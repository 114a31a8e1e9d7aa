"""The control plane: live progress, usage and completions, on Kafka a Faust app over pure reducers."""
