"""The page's looks, in daylight and in the dark, on a desk and on a phone."""

STYLE = """
:root {
  color-scheme: light dark;
  --ground: #fbfaf7; --ink: #22262b; --soft: #6a7178; --line: #dcd9d0; --card: #ffffff;
  --alive: #2f7f79; --dangling: #c8503c; --answered: #2f7f79; --refused: #dd8f2d; --failed: #8a8f98;
  --limit: #22262b; --budget: #3a5fb0;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #16191d; --ink: #e8e6e1; --soft: #9aa1a8; --line: #343a41; --card: #1e2227;
    --alive: #4fb0a8; --dangling: #e0705b; --answered: #4fb0a8; --refused: #e8a94e; --failed: #7d838c;
    --limit: #e8e6e1; --budget: #86a6ec;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: clamp(1.6rem, 4vw, 2.3rem); line-height: 1.15; margin: 0 0 1rem; letter-spacing: -0.01em; }
h2 { font-size: 1.1rem; margin: 2.25rem 0 0.4rem; }
.lead { max-width: 46rem; margin: 0 0 0.6rem; font-size: 1.08rem; }
.runs { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 25rem), 1fr)); }
figure { margin: 0; padding: 0.75rem 0.75rem 0.4rem; background: var(--card); border: 1px solid var(--line);
  border-radius: 10px; }
figcaption { font-weight: 600; font-size: 0.95rem; margin: 0 0 0.25rem 0.25rem; }
svg { display: block; width: 100%; height: auto; }
svg text { fill: var(--soft); font-size: 12px; }
.legend { margin: 0 0 0.6rem; color: var(--soft); font-size: 0.92rem; }
.legend i { display: inline-block; width: 0.8em; height: 0.8em; border-radius: 2px; margin: 0 0.35em 0 0.7em; }
.legend i:first-child { margin-left: 0; }
.legend .alive { background: var(--alive); } .legend .dangling { background: var(--dangling); }
.legend .answered { background: var(--answered); } .legend .refused { background: var(--refused); }
.legend .failed { background: var(--failed); }
svg .alive { fill: var(--alive); } svg .dangling { fill: var(--dangling); }
svg .answered { fill: var(--answered); } svg .refused { fill: var(--refused); } svg .failed { fill: var(--failed); }
svg .answer { fill: var(--answered); fill-opacity: 0.4; } svg .death { fill: var(--dangling); }
svg line { stroke-width: 1.4; } svg .grid { stroke: var(--line); stroke-width: 1; }
svg .limit { stroke: var(--limit); } svg .budget { stroke: var(--budget); stroke-dasharray: 6 4; }
svg .p50, svg .p99 { stroke: var(--soft); stroke-dasharray: 3 3; }
svg text.limit-name { fill: var(--limit); stroke: none; } svg text.budget-name { fill: var(--budget); stroke: none; }
table { border-collapse: collapse; width: 100%; max-width: 46rem; font-variant-numeric: tabular-nums; }
th, td { padding: 0.4rem 0.6rem 0.4rem 0; border-bottom: 1px solid var(--line); text-align: right; }
tbody th { text-align: left; font-weight: 400; } thead th { font-weight: 600; }
dl { max-width: 52rem; margin: 0; } dt { font-weight: 600; margin-top: 0.7rem; } dd { margin: 0; color: var(--soft); }
@media (max-width: 600px) { svg text { font-size: 19px; } main { padding-top: 1.5rem; } }
@media print { body { background: #fff; } figure { break-inside: avoid; } }
"""
