"""A node for demos and tests: runs each pod bound to it as bubblewrap processes of this machine."""

REGISTERED = "registered"
"""The file in the node's state folder that says that the cluster knows this agent."""
