"""The looks of the demo's report: one page that needs no network and is easy on the eyes in light and in dark."""

# ruff: noqa: E501 - a rule of CSS stands on one line

from __future__ import annotations

from cpner.show.entities import ENTITY_CSS

CSS = (
    """
:root { color-scheme: light dark; --ground: #fbfaf8; --card: #ffffff; --ink: #1b2430; --soft: #5c6875; --rule: #e6e3dd;
  --accent: #1f5f99; --pale: #d9e6f2; --good: #2f7d4f; --bad: #b5533c; --heat: 31 95 153; --code: #f3f1ec;
  --none: #a9b3be; --single: #6fa3d0; --several: #1f5f99; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #11161c; --card: #182029; --ink: #e7ebef; --soft: #9aa7b4; --rule: #2a3541; --accent: #7db7ea;
    --pale: #22384c; --good: #6cc492; --bad: #ec8f78; --heat: 92 160 220; --code: #10161c;
    --none: #5d6a77; --single: #4c83b3; --several: #7db7ea; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink); -webkit-text-size-adjust: 100%;
  font: 1rem/1.6 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main, header > div, footer { max-width: 66rem; margin: 0 auto; padding: 0 1.5rem; }
header { padding: 4rem 0 2.6rem; border-bottom: 1px solid var(--rule);
  background: radial-gradient(70rem 26rem at 85% -30%, var(--pale), transparent 70%); }
.eyebrow { color: var(--accent); font-size: .8rem; font-weight: 650; letter-spacing: .09em; text-transform: uppercase; }
h1 { margin: .35rem 0 .8rem; font-size: clamp(1.9rem, 5vw, 3rem); line-height: 1.1; letter-spacing: -.025em; font-weight: 750; }
h2 { margin: 0 0 .4rem; font-size: 1.5rem; letter-spacing: -.015em; }
h3 { margin: 0 0 .8rem; font-size: 1rem; }
.lead { max-width: 44rem; margin: 0; font-size: 1.13rem; color: var(--soft); }
section { padding: 3rem 0 0; } section > p { max-width: 46rem; color: var(--soft); margin: 0 0 1.4rem; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(12rem, 1fr)); gap: .9rem; margin-top: 2.2rem; }
.tile, .card { background: var(--card); border: 1px solid var(--rule); border-radius: .9rem; }
.tile { padding: 1rem 1.15rem; }
.tile b { display: block; font-size: 1.6rem; line-height: 1.25; letter-spacing: -.02em; font-variant-numeric: tabular-nums; }
.tile span { color: var(--soft); font-size: .88rem; }
.card { padding: 1.3rem 1.4rem; overflow-x: auto; } .card + .card { margin-top: .9rem; }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(19rem, 100%), 1fr)); gap: .9rem; }
.columns > .card { margin: 0; }
.text { line-height: 2.05; margin: 0; }
.view { display: grid; grid-template-columns: 6.5rem 1fr; gap: .2rem 1rem; padding: .75rem 0; border-top: 1px solid var(--rule); }
.view:first-child { border-top: 0; padding-top: 0; } .view:last-child { padding-bottom: 0; }
.view > b { padding-top: .3rem; font-weight: 600; }
.wrong { outline: 2px dashed var(--bad); outline-offset: -1px; }
.missed { margin: .7rem 0 0; color: var(--soft); font-size: .9rem; } .missed i { font-style: normal; color: var(--bad); }
.bars { display: grid; grid-template-columns: max-content 1fr; gap: .5rem .9rem; align-items: center; }
.bars span { font-size: .92rem; }
.bar { display: flex; align-items: center; gap: .55rem; }
.bar::before { content: ""; flex: none; width: calc((100% - 3.2rem) * var(--value) / 100); min-width: 2px; height: 1.5rem; border-radius: .35rem; background: var(--colour); }
.bar b { font-variant-numeric: tabular-nums; }
.verdict { border-left: 3px solid var(--accent); padding: .1rem 0 .1rem 1rem; margin: 1.3rem 0 0; }
.verdict p { margin: .35rem 0; }
table { border-collapse: collapse; width: 100%; font-size: .93rem; }
th, td { padding: .5rem .7rem; text-align: left; vertical-align: middle; border-bottom: 1px solid var(--rule); }
tr:last-child > * { border-bottom: 0; } th { font-weight: 600; color: var(--soft); font-size: .83rem; }
td.figure, th.figure { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
tbody th { color: var(--ink); font-size: .93rem; white-space: nowrap; }
.chips { min-width: 14rem; line-height: 1.95; font-size: .8rem; }
.heat { width: auto; font-size: .82rem; border-spacing: 3px; border-collapse: separate; }
.heat td { border: 0; width: 3.3rem; height: 2.5rem; padding: 0; text-align: center; border-radius: .35rem;
  font-variant-numeric: tabular-nums; background: rgb(var(--heat) / var(--shade)); }
.heat td.half, .heat td.deep { color: #fff; } .heat td.blank { background: transparent; color: var(--rule); }
.heat th { border: 0; padding: .1rem .35rem; font-weight: 500; font-size: .78rem; }
.heat tbody th { text-align: right; font-size: .78rem; color: var(--soft); }
.heat thead th { height: 4.2rem; vertical-align: bottom; } .heat thead th span { writing-mode: vertical-rl; transform: rotate(180deg); }
.heat tr.target th, .heat th.target { color: var(--accent); font-weight: 700; }
@media (prefers-color-scheme: dark) { .heat td.half { color: inherit; } .heat td.deep { color: #0b1117; } }
svg.spark { display: block; } svg.spark polyline { fill: none; stroke: var(--accent); stroke-width: 1.8; stroke-linejoin: round; }
svg.spark circle { fill: var(--accent); }
pre { margin: 0; padding: 1rem 1.15rem; border-radius: .7rem; background: var(--code); overflow-x: auto;
  font: .86rem/1.65 ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
pre.wrap { white-space: pre-wrap; overflow-wrap: anywhere; }
pre .sign { color: var(--soft); } pre .type { color: var(--accent); }
code { font: .88em ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
ol.steps { counter-reset: step; list-style: none; padding: 0; margin: 0 0 1rem; display: grid; gap: .9rem;
  grid-template-columns: repeat(auto-fit, minmax(min(14rem, 100%), 1fr)); }
ol.steps li { counter-increment: step; } ol.steps li::before { content: counter(step); display: grid; place-items: center;
  width: 1.7rem; height: 1.7rem; border-radius: 50%; background: var(--pale); color: var(--accent); font-weight: 700; font-size: .9rem; margin-bottom: .5rem; }
ol.steps b { display: block; } ol.steps span { color: var(--soft); font-size: .92rem; }
footer { padding-top: 2.6rem; padding-bottom: 4rem; color: var(--soft); font-size: .88rem; }
footer dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1.2rem; margin: .8rem 0 0; } footer dd { margin: 0; overflow-wrap: anywhere; }
@media (max-width: 40rem) { .view { grid-template-columns: 1fr; } header { padding-top: 2.6rem; } .bars { grid-template-columns: 1fr; gap: .15rem; } .bars span { margin-top: .5rem; } }
@media print { body { background: #fff; } .card, .tile { break-inside: avoid; } }
"""
    + ENTITY_CSS
)
PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>{css}</style>
<header><div>{header}</div></header>
<main>
{sections}
</main>
<footer>{footer}</footer>
</html>
"""
