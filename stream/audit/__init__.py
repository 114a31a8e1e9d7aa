"""An audit trail in which a change, a gap and a missing end can be proved.

What happened, as events of one writer in a chain; the tree over them; signed checkpoints of that tree. What an event
says does not belong here. Begin reading in `journal`; `verification` is what an auditor runs.
"""
