"""The style sheet of the report: light and dark, on a screen and on paper."""

STYLE = """\
:root {
  --page: #f6f7f9; --card: #fff; --ink: #1c2230; --soft: #5d6678; --rule: #e1e5eb;
  --real: #b9c1ce; --made: #0f8b8d; --good: #1b7f4b; --fair: #9a6200; --poor: #b3261e;
  --g0: #dfeceb; --g1: #a9d3d0; --g2: #f3c77b; --g3: #e8873f; --g4: #bd2f26;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #12151b; --card: #1a1f28; --ink: #e6e9ef; --soft: #9aa4b5; --rule: #2c3340;
    --real: #566075; --made: #35c3c1; --good: #5fd396; --fair: #f0b95c; --poor: #ff8a80;
    --g0: #22393b; --g1: #2f6a6b; --g2: #a9843c; --g3: #d9783a; --g4: #f0524a;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); }
body { font: 16px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; }
header, main { max-width: 1080px; margin: 0 auto; padding: 0 24px; }
header { padding-top: 40px; }
h1 { margin: 0; font-size: 34px; line-height: 1.15; letter-spacing: -.01em; overflow-wrap: anywhere; }
h2 { margin: 0 0 16px; font-size: 22px; font-weight: 600; }
h2 span { overflow-wrap: anywhere; }
h3.part { margin: 36px 0 4px; font-size: 17px; }
a { color: var(--made); }
small { display: block; color: var(--soft); font-size: 12.5px; font-weight: 400; line-height: 1.4; }
.eyebrow { margin: 0; color: var(--soft); font-size: 14px; }
.lead { max-width: 64ch; margin: 12px 0 0; color: var(--soft); }
nav ul { display: flex; flex-wrap: wrap; gap: 8px 20px; margin: 16px 0 0; padding: 0; list-style: none; }
section { margin: 40px 0; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(185px, 1fr)); gap: 14px; }
.tile { padding: 14px 16px; background: var(--card); border: 1px solid var(--rule); border-radius: 10px; }
.tile h3 { margin: 0; color: var(--soft); font-size: 14px; font-weight: 500; }
.tile .value { margin: 2px 0 0; font-size: 32px; font-weight: 600; line-height: 1.2; }
.tile .word { margin: 0; font-weight: 600; }
.tile .says { margin: 8px 0 0; color: var(--soft); font-size: 14px; line-height: 1.45; }
.good .word { color: var(--good); } .fair .word { color: var(--fair); } .poor .word { color: var(--poor); }
.plain .word { color: var(--soft); }
.notes { margin: 16px 0 0; padding: 12px 18px 12px 34px; font-size: 15px; }
.notes { background: var(--card); border-left: 3px solid var(--fair); }
.hint, .key { margin: 4px 0 10px; color: var(--soft); font-size: 14px; }
.key { display: flex; flex-wrap: wrap; align-items: center; gap: 4px 16px; }
.key .swatch { width: 22px; height: 8px; margin-right: -8px; border-radius: 2px; }
.key .aside { margin-left: auto; }
.swatch.real { background: var(--real); } .swatch.made { background: var(--made); }
.wide { overflow-x: auto; }
table { width: 100%; border-collapse: collapse; background: var(--card); font-size: 15px; }
table, .value { font-variant-numeric: tabular-nums; }
.columns, .worst, .provenance { border: 1px solid var(--rule); }
th, td { padding: 12px 14px; border-top: 1px solid var(--rule); text-align: left; vertical-align: top; }
thead th { border-top: 0; color: var(--soft); font-size: 13px; font-weight: 500; white-space: nowrap; }
tbody th { font-weight: 600; overflow-wrap: anywhere; }
.columns tbody th { min-width: 130px; max-width: 220px; }
.columns td { white-space: nowrap; }
.mark { color: var(--poor); font-weight: 600; }
.dot { display: inline-block; width: 11px; height: 11px; margin-right: 8px; border-radius: 3px; }
.key .dot { margin-right: 6px; }
.dot.g0 { background: var(--g0); } .dot.g1 { background: var(--g1); } .dot.g2 { background: var(--g2); }
.dot.g3 { background: var(--g3); } .dot.g4 { background: var(--g4); }
td.draw { width: 428px; }
svg { display: block; font: 12px/1 system-ui, -apple-system, "Segoe UI", sans-serif; }
svg text { fill: var(--ink); } svg .num { fill: var(--soft); font-variant-numeric: tabular-nums; }
svg .real { fill: var(--real); } svg .made { fill: var(--made); }
svg .line { fill: none; stroke: var(--made); stroke-width: 1.75; stroke-linejoin: round; }
svg .axis { stroke: var(--rule); }
svg .g0 { fill: var(--g0); } svg .g1 { fill: var(--g1); } svg .g2 { fill: var(--g2); }
svg .g3 { fill: var(--g3); } svg .g4 { fill: var(--g4); }
.pairs { display: flex; flex-wrap: wrap; gap: 28px; align-items: flex-start; }
.pairs .wide { flex: 0 1 auto; max-width: 100%; }
.worst { flex: 1 1 320px; width: auto; }
.worst th, .worst td { padding: 6px 12px; }
caption { padding: 0 0 6px; color: var(--soft); font-size: 14px; text-align: left; }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(320px, 1fr)); gap: 18px 36px; margin: 0; }
dt { font-weight: 600; }
dd { margin: 2px 0 0; color: var(--soft); font-size: 15px; }
.provenance th { width: 220px; font-weight: 500; color: var(--soft); }
.provenance td { overflow-wrap: anywhere; }
@media (max-width: 720px) {
  header, main { padding: 0 14px; }
  .tiles { grid-template-columns: 1fr 1fr; }
  th, td { padding: 10px; }
}
@media print {
  :root {
    --page: #fff; --card: #fff; --ink: #000; --soft: #444; --rule: #ccc; --real: #b9c1ce; --made: #0f8b8d;
    --good: #1b7f4b; --fair: #9a6200; --poor: #b3261e;
    --g0: #dfeceb; --g1: #a9d3d0; --g2: #f3c77b; --g3: #e8873f; --g4: #bd2f26;
  }
  body { font-size: 12px; }
  header, main { max-width: none; padding: 0; }
  .wide { overflow: visible; }
  table { font-size: 11px; }
  th, td { padding: 6px 8px; }
  td.draw { width: 290px; }
  .columns svg { width: 280px; height: auto; }
  .columns tbody th { min-width: 90px; }
  .tiles { grid-template-columns: repeat(4, 1fr); gap: 8px; }
  .tile .says, small { font-size: 10.5px; }
  .key { break-after: avoid; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  tr, .tile, dl div, svg { break-inside: avoid; }
  h2, h3 { break-after: avoid; }
}
"""
