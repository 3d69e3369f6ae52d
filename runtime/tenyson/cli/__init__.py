"""`tenyson`, the command: each of its words is a module of this package, loaded when it is used."""
