"""The errors of the local cluster: each says what was found and what to do next."""


class ClusterError(RuntimeError):
    """Raised when a local cluster cannot be made, started or used."""


class MissingProgramError(ClusterError):
    """Raised when this machine lacks a program, with the command that installs it."""
