"""A node for demos and tests: runs each pod bound to it as bubblewrap processes of this machine."""
