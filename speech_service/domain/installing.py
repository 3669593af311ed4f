"""How a user installs a part of this package that is not there.

The package is on no public index, and nobody owns its name there: a command that asks an index for it could install a
stranger's. So every message names the source folder or a wheel.
"""


def install_extra(extras: str = "") -> str:
    """Give the command that installs extras, such as ``"server,qwen"``; empty: the base."""
    wanted = f"'.[{extras}]'" if extras else "."
    return f"pip install {wanted} in the source folder (with a wheel: its file name in place of the dot)"
