"""Texts that a kubelet is to hand on as they are."""


def literal(text: str) -> str:
    """Returns a text in which no `$(NAME)` is a variable any more.

    A kubelet puts variables into a container's arguments and values. In what others have a say in,
    such as the address that another run's pod left of its adapter, that would send a Secret there.
    """
    return text.replace("$", "$$")
