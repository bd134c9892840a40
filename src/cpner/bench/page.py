"""The figures of a bench in words, and as a page with plots."""

from __future__ import annotations

from cpner.bench.measure import Bench
from cpner.show.pages import render_page
from cpner.show.pictures import Line, draw_lines


def lines(bench: Bench) -> list[tuple[str, str]]:
    """Each figure with its name and unit."""
    training = bench.training
    return [
        *((f"sentences a second, batch {size}", f"{rate:,.1f}") for size, rate in bench.sentences_per_second.items()),
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
    plots = [
        Line("sentences a second", "sentences in a batch", bench.sentences_per_second),
        Line("ms a sentence", "words of a sentence", bench.milliseconds_per_sentence),
        Line("time to that of one domain", "domains in a batch of 32", bench.mixed_domains),
    ]
    return render_page(
        "bench",
        title=f"Speed of {bench.machine['backbone']}",
        machine=", ".join(f"{name} {value}" for name, value in bench.machine.items() if name != "backbone"),
        pictures=[("", draw_lines(plots))],
        rows=lines(bench),
    )
