"""What of a store outlives a power cut: its new files are synced, and a mark says up to which version. Begin with
`durable_store`. Nothing of rows belongs here.
"""
