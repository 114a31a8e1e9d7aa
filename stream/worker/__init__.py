"""The one worker and what it is made of: buffer, batches, retries, dead letters, admission.

No operator, no model and no store belongs here. Begin with `worker`.
"""
