"""A day of footage on simulated replicas: who scales best."""
