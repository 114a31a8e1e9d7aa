"""Targets that a SIEM reads: audit events as files, over syslog, to Splunk and by HTTP.

Which events go where, and how far a target has come, does not belong here. Begin reading in `target`.
"""
