"""Who may do what with whose footage: roles, who has them, and the keys of automation.

What is decided here is asked for by the command line and by services; how a store keeps to it does not belong here.
Begin reading in `decision`; `actions` has the roles, `register` who was given which.
"""
