"""The tables of the DHT as pictures: `dht-hops.png` and `dht-faults.png`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from overlay.dht_runs import Row

_OURS = "#2a7f62"
_PAPER = "#8a8a8a"
_BAD = "#b5493a"


def draw(tables: dict[str, list[Row]], folder: Path) -> None:
    """Those pictures for which there are tables."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    if "sizes" in tables:
        figure, axis = plt.subplots(figsize=(7, 4), layout="constrained")
        _hops(axis, tables["sizes"])
        figure.savefig(folder / "dht-hops.png", dpi=110)
        plt.close(figure)
    if {"dead", "churn", "liars"} <= tables.keys():
        figure, axes = plt.subplots(1, 3, figsize=(11, 4), layout="constrained")
        _requests(axes[0], tables["dead"])
        _churn(axes[1], tables["churn"])
        _liars(axes[2], tables["liars"])
        figure.savefig(folder / "dht-faults.png", dpi=110)
        plt.close(figure)


def _hops(axis: Any, rows: Sequence[Row]) -> None:
    nodes = [row["nodes"] for row in rows]
    for column, style in (
        ("log2 N (b=1)", "--"),
        ("log16 N (b=4)", "-."),
        ("log32 N (b=5)", ":"),
    ):
        axis.plot(nodes, [row[column] for row in rows], style, color=_PAPER, label=column)
    axis.plot(nodes, [row["hops"] for row in rows], "o-", color=_OURS, label="hops, mean")
    axis.plot(nodes, [row["hops max"] for row in rows], "^", color=_OURS, label="hops, most")
    axis.set_xscale("log")
    axis.set_xlabel("nodes")
    axis.set_ylabel("hops")
    axis.set_title("Hops to the nearest node, beside log of N to the base 2^b", fontsize=10)
    axis.legend(fontsize=8)


def _requests(axis: Any, rows: Sequence[Row]) -> None:
    labels = [f"{float(row['dead']):.0%}" for row in rows]
    axis.bar(labels, [row["requests"] for row in rows], color=_OURS)
    axis.set_xlabel("nodes dead at once")
    axis.set_ylabel("requests of a lookup")
    axis.set_title(f"{rows[0]['nodes']:,} nodes, all 8 nearest found", fontsize=10)


def _churn(axis: Any, rows: Sequence[Row]) -> None:
    labels = [f"{float(row['lifetime min']):g}" for row in rows]
    axis.bar(labels, [float(row["current record"]) * 100 for row in rows], color=_OURS)
    axis.set_ylim(90, 100.2)
    axis.set_xlabel("mean life of a node, minutes")
    axis.set_ylabel("lookups with the current record, %")
    axis.set_title(f"{rows[0]['nodes']:,} nodes under churn", fontsize=10)


def _liars(axis: Any, rows: Sequence[Row]) -> None:
    most = max(float(row["liars"]) for row in rows)
    shown = [row for row in rows if row["liars"] == most and row["registry"] == "no"]
    labels = [f"{row['lie']}, {row['paths']}" for row in shown]
    missed = [100 - float(row["current record"]) * 100 for row in shown]
    axis.barh(labels, missed, color=_BAD)
    axis.invert_yaxis()
    axis.set_xlabel("lookups without the current record, %")
    axis.set_title(f"{most:.0%} liars: what they do, disjoint paths", fontsize=10)
    axis.tick_params(labelsize=8)
