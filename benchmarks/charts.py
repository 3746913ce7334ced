# SPDX-License-Identifier: Apache-2.0
"""What the scripts that draw results have in common. Needs matplotlib when something is drawn."""


def pyplot():
    """matplotlib for files: text that can be read and searched, and the same file from the same figures."""
    import matplotlib

    matplotlib.use("Agg")
    matplotlib.rcParams["svg.fonttype"] = "none"
    matplotlib.rcParams["svg.hashsalt"] = "memstore"
    from matplotlib import pyplot as module

    return module


def panes(rows, columns, width, height):
    """A figure with so many panes of this size in inches, and the panes in reading order."""
    figure, axes = pyplot().subplots(
        rows, columns, figsize=(columns * width, rows * height), layout="constrained", squeeze=False
    )
    for pane in axes.flat:
        pane.tick_params(labelsize=7)
        pane.grid(visible=True, alpha=0.25)
        pane.set_axisbelow(True)
    return figure, list(axes.flat)


def grid(count, columns, width, height):
    """A figure with `count` panes of this size, so many in a row at most."""
    columns = min(columns, count)
    figure, found = panes(-(-count // columns), columns, width, height)
    for pane in found[count:]:
        pane.remove()
    return figure, found[:count]


def canvas(width, height):
    """A figure of one pane, and the pane."""
    figure, (axes,) = panes(1, 1, width, height)
    return figure, axes


def save(figure, path):
    figure.savefig(path, dpi=150, metadata={"Date": None} if str(path).endswith(".svg") else None)
