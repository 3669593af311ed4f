"""matplotlib, drawing into files, with its cache of fonts outside of the home folder."""

from typing import Any

from speech_service.config.environment import keep_matplotlib_out_of_home


def pyplot() -> Any:
    """Its module of plots."""
    keep_matplotlib_out_of_home()
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    return plt
