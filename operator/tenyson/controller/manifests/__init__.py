"""What is created for an attempt: a batch/v1 Job and, for several nodes, a headless Service."""
