"""The figures as a picture: how many times better Sprawl does, row by row."""

from __future__ import annotations

from pathlib import Path

from tests.bench.peer.samples import Figures, Row

_WIN = "#2a7f62"
_LOSE = "#b5493a"


def draw(figures: Figures, path: Path) -> None:
    """One bar a row, on a logarithmic scale; 1 is Apache Kafka."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    groups = figures.groups()
    sized = [[row for row in figures.rows if row.group == group] for group in groups]
    rows = [[row for row in found if row.gain() is not None] for found in sized]
    figure, axes = plt.subplots(
        len(groups),
        1,
        figsize=(9, 1.1 * len(groups) + 0.26 * sum(map(len, rows))),
        sharex=True,
        gridspec_kw={"height_ratios": [len(found) + 1 for found in rows]},
        squeeze=False,
        layout="constrained",
    )
    for (axis,), group, found in zip(axes, groups, rows, strict=True):
        _bars(axis, group, found)
    axes[-1][0].set_xlabel("times better than Apache Kafka (logarithmic; 1 is equal)")
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _bars(axis: object, group: str, rows: list[Row]) -> None:
    gains = [row.gain() or 1.0 for row in rows]
    labels = [f"{row.row}: {row.unit}" for row in rows]
    colours = [_WIN if gain >= 1 else _LOSE for gain in gains]
    axis.barh(labels, [gain - 1 for gain in gains], left=1, color=colours)  # type: ignore[attr-defined]
    axis.axvline(1, color="black", linewidth=0.8)  # type: ignore[attr-defined]
    axis.set_xscale("log")  # type: ignore[attr-defined]
    axis.set_title(group, loc="left", fontsize=10)  # type: ignore[attr-defined]
    axis.tick_params(labelsize=8)  # type: ignore[attr-defined]
    axis.invert_yaxis()  # type: ignore[attr-defined]
    for place, gain in enumerate(gains):
        axis.annotate(  # type: ignore[attr-defined]
            f" {gain:.2f}", (max(gain, 1), place), va="center", fontsize=7
        )
