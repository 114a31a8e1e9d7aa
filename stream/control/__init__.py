"""The control plane: live progress, usage and completions, on Kafka a Faust app over pure folds.

Begin with `progress`, then `state`; `app` is the only part that needs Faust.
"""
