"""The page of the service for people: server-rendered HTML, its style sheet and its plain modules. It asks what the API
asks, in the same way, and keeps nothing. Begin with `routes`.
"""
