# SPDX-License-Identifier: Apache-2.0
"""How the page looks."""

from __future__ import annotations

STYLE = """
:root { color-scheme: light dark; --back: #f6f7f9; --card: #fff; --text: #1c2128; --dim: #5b6572; --line: #d8dde3;
  --curve: #1f6feb; --mark: #c2410c; --good: #1a7f37; --warning: #b42318; --suggestion: #9a6700; --info: #4b5563;
  --live: #2da44e; --stale: #bf8700; --dead: #cf222e; --index: #0e8a9e; --overhead: #1f6feb; --free: #aeb6c0; }
@media (prefers-color-scheme: dark) { :root { --back: #0d1117; --card: #161b22; --text: #e6edf3; --dim: #9aa5b1;
  --line: #30363d; --curve: #58a6ff; --mark: #f0883e; --good: #3fb950; --warning: #ff7b72; --suggestion: #d29922;
  --info: #9aa5b1; --live: #3fb950; --stale: #d29922; --dead: #f85149; --index: #39c5cf; --overhead: #58a6ff;
  --free: #57606a; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--text); font: 15px/1.5 system-ui, "DejaVu Sans", sans-serif; }
main { max-width: 920px; margin: 0 auto; padding: 24px 20px 48px; }
h1 { font-size: 24px; margin: 0 0 16px; overflow-wrap: anywhere; }
h2 { font-size: 18px; margin: 32px 0 12px; }
p { margin: 4px 0; }
.dim { color: var(--dim); }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 14px 16px; }
section > .card + .card, section > .card + .charts { margin-top: 10px; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(180px, 1fr)); gap: 10px; }
.tiles b { display: block; font-size: 20px; font-variant-numeric: tabular-nums; }
.advice { margin: 0 0 12px; border-left-width: 5px; overflow-wrap: anywhere; }
.advice h3 { margin: 0 0 4px; font-size: 16px; }
.advice.warning { border-left-color: var(--warning); } .warning .badge { color: var(--warning); }
.advice.suggestion { border-left-color: var(--suggestion); } .suggestion .badge { color: var(--suggestion); }
.advice.info { border-left-color: var(--info); } .info .badge { color: var(--info); }
.badge { font-size: 12px; font-weight: 600; border: 1px solid currentColor; border-radius: 10px; padding: 1px 8px; }
code { font: 13px/1.5 ui-monospace, "DejaVu Sans Mono", monospace; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 600; color: var(--dim); font-size: 13px; }
th, td { padding: 4px 0 4px 16px; border-bottom: 1px solid var(--line); vertical-align: top; }
th.number, td.number { text-align: right; white-space: nowrap; }
th:first-child, td:first-child { padding-left: 0; }
tbody tr:last-child td { border-bottom: 0; }
td:first-child { min-width: 10em; }
.wide { overflow-x: auto; } .wide > svg { min-width: 560px; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(320px, 1fr)); gap: 10px; }
.meter { display: block; width: 120px; height: 12px; margin-top: 5px; }
@media (max-width: 640px) { main { padding: 16px 10px 32px; } .tiles { grid-template-columns: repeat(2, 1fr); }
  th, td { padding-left: 10px; } td:first-child { min-width: 0; } .meter { width: 48px; }
  th.number { white-space: normal; } }
svg { display: block; width: 100%; height: auto; }
.axis { font-size: 12px; fill: var(--dim); } .name { font-weight: 600; }
.grid { stroke: var(--line); } .edge { stroke: var(--dim); }
.curve { fill: none; stroke: var(--curve); stroke-width: 2.5; stroke-linejoin: round; }
.limit { stroke: var(--mark); stroke-width: 1.5; stroke-dasharray: 5 4; }
.mark { font-size: 12px; font-weight: 600; fill: var(--mark); }
.dot { fill: var(--mark); stroke: var(--card); stroke-width: 1.5; }
.bar { fill: var(--curve); } .unsure { fill: var(--curve); opacity: .35; } .rest { fill: var(--line); }
.key { display: inline-block; width: 11px; height: 11px; border-radius: 2px; margin-right: 6px; }
.part-live { fill: var(--live); background: var(--live); } .part-stale { fill: var(--stale); background: var(--stale); }
.part-dead { fill: var(--dead); background: var(--dead); } .part-index { fill: var(--index); background: var(--index); }
.part-overhead { fill: var(--overhead); background: var(--overhead); }
.part-free { fill: var(--free); background: var(--free); }
"""
