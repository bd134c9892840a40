"""The figures of a bench in words, and as a page with plots."""

from __future__ import annotations

import html
from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cpner.bench.measure import Bench
from cpner.show.pictures import svg

INK, BLUE = "#5c6875", "#1f5f99"
_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Speed of {title}</title>
<style>
body {{ max-width: 60rem; margin: 2.5rem auto; padding: 0 1.2rem; font: 1rem/1.6 system-ui, sans-serif;
  color: #1b2430; }}
table {{ border-collapse: collapse; }} td {{ padding: .35rem 1.2rem .35rem 0; border-bottom: 1px solid #e6e3dd; }}
td + td {{ text-align: right; font-variant-numeric: tabular-nums; }} svg {{ width: 100%; height: auto; }}
</style>
<h1>Speed of {title}</h1>
<p>{machine}</p>
{plots}
<table>
{rows}
</table>
</html>
"""


def lines(bench: Bench) -> list[tuple[str, str]]:
    """Each figure with its name and unit."""
    training, speeds = bench.training, bench.sentences_per_second
    return [
        *((f"sentences a second, batch {size}", f"{value:,.1f}") for size, value in speeds.items()),
        *((f"ms a sentence of {n} words", f"{value:.1f}") for n, value in bench.milliseconds_per_sentence.items()),
        *((f"{n} domains in a batch, to one", f"{value:.2f}") for n, value in bench.mixed_domains.items() if n != "1"),
        ("training step of 8 sentences, the paper's prefix, ms", f"{1000 * training['seconds']:.0f}"),
        ("of the roofline", f"{training['of_roofline']:.0%}"),
        ("large product, GFLOP/s", f"{training['operations_per_second'] / 1e9:,.0f}"),
        ("bytes a domain", f"{bench.domain['bytes']:,.0f}"),
        ("to read a domain, ms", f"{bench.domain['load_milliseconds']:.2f}"),
        ("import cpner, s", f"{bench.start['import_seconds']:.3f}"),
        ("memory at most, MB", f"{bench.memory_megabytes:,.0f}"),
    ]


def page(bench: Bench) -> str:
    """A page of HTML that needs no network."""
    rows = "\n".join(f"<tr><td>{html.escape(name)}</td><td>{figure}</td></tr>" for name, figure in lines(bench))
    machine = ", ".join(f"{name} {value}" for name, value in bench.machine.items() if name != "backbone")
    title = html.escape(str(bench.machine["backbone"]))
    return _PAGE.format(title=title, machine=html.escape(machine), plots=_plots(bench), rows=rows)


def _plots(bench: Bench) -> str:
    figure = Figure(figsize=(10, 3), layout="constrained")
    curves: list[tuple[str, str, Mapping[str, float]]] = [
        ("sentences a second", "sentences in a batch", bench.sentences_per_second),
        ("ms a sentence", "words of a sentence", bench.milliseconds_per_sentence),
        ("time to that of one domain", "domains in a batch of 32", bench.mixed_domains),
    ]
    for axes, (title, label, values) in zip(figure.subplots(1, len(curves)), curves, strict=True):
        axes.plot(list(values), list(values.values()), color=BLUE, marker="o")
        axes.set_ylim(0, 1.2 * max(values.values()))
        plain(axes, title)
        axes.set_xlabel(label, fontsize=9, color=INK)
    return svg(figure)


def plain(axes: Axes, title: str) -> None:
    """A panel with a title and no more lines than it needs."""
    axes.set_title(title, loc="left", fontsize=10, color=INK)
    axes.tick_params(length=0, labelsize=9, colors=INK)
    axes.spines[["top", "right"]].set_visible(False)
