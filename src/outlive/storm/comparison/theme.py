"""Looks: in daylight and in the dark, on a desk and on a phone."""

from typing import Final

_DAY: Final = {
    "ground": "#fbfaf7",
    "card": "#ffffff",
    "ink": "#20252b",
    "soft": "#69717a",
    "line": "#e1ded6",
    "alive": "#2b8a83",
    "dangling": "#cf4a36",
    "refused": "#e0912f",
    "failed": "#8d939b",
    "budget": "#3560b8",
    "on": "#20252b",
}
_NIGHT: Final = {
    "ground": "#14171b",
    "card": "#1c2025",
    "ink": "#e9e7e2",
    "soft": "#9aa2aa",
    "line": "#343a41",
    "alive": "#4db6ac",
    "dangling": "#e5705b",
    "refused": "#ecab50",
    "failed": "#7b828b",
    "budget": "#86a6ee",
    "on": "#fff6e6",
}
_FONT: Final = "system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans','DejaVu Sans',sans-serif"

_MARKS: Final = """
text{fill:%(soft)s;font-family:FONT;font-size:12px}
.name{fill:%(ink)s;font-weight:700;font-size:15px}.title{fill:%(ink)s;font-weight:700;font-size:25px}
.said{font-size:14px}.big{font-weight:700;font-size:19px;fill:%(ink)s}.big.bad{fill:%(dangling)s}
.big.good{fill:%(alive)s}.cell-name{font-size:10px}.cell-name.full{fill:%(on)s;font-weight:600}
.ground{fill:%(ground)s}.card{fill:%(card)s;stroke:%(line)s}
.alive{fill:%(alive)s}.dangling{fill:%(dangling)s}.refused{fill:%(refused)s}.failed{fill:%(failed)s}
.answered{fill:%(alive)s}.ridge{fill:%(alive)s;fill-opacity:.8}.empty{fill:%(line)s;fill-opacity:.55}
.grid{stroke:%(line)s;stroke-width:1}.axis{stroke:%(soft)s;stroke-width:1}
.limit{stroke:%(ink)s;stroke-width:1.4}.limit-name{fill:%(ink)s}
.budget{stroke:%(budget)s;stroke-width:1.4;stroke-dasharray:5 3}.budget-name{fill:%(budget)s}
.rtt{stroke:%(soft)s;stroke-width:1;stroke-dasharray:2 3}
.p50{stroke:%(ink)s;stroke-width:2.4}.p99{stroke:%(dangling)s;stroke-width:2.4}
""".replace("FONT", _FONT)


def marks(*, prefix: str = "", night: bool = True) -> str:
    """The style of drawings: as daylight has it, and with `night` for those whose screens are dark."""
    day = _prefixed(_MARKS % _DAY, prefix)
    if not night:
        return day
    return f"{day}@media (prefers-color-scheme:dark){{{_prefixed(_MARKS % _NIGHT, prefix)}}}"


def _prefixed(style: str, prefix: str) -> str:
    rules = [rule.strip() for rule in style.replace("\n", "").split("}") if rule.strip()]
    return "".join(f"{prefix}{rule}}}" for rule in rules)


def _variables(colours: dict[str, str]) -> str:
    return ";".join(f"--{name}:{value}" for name, value in colours.items())


_PAGE: Final = """
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);font:16px/1.55 FONT}
main{max-width:1180px;margin:0 auto;padding:2.6rem 1.25rem 4rem}
h1{font-size:clamp(1.7rem,4.6vw,2.7rem);line-height:1.1;margin:0 0 .5rem;letter-spacing:-.02em}
h2{font-size:1.25rem;margin:2.8rem 0 .35rem;letter-spacing:-.01em}
.under{color:var(--soft);margin:0 0 1.6rem}
.heroes{display:grid;gap:.9rem;grid-template-columns:repeat(auto-fit,minmax(min(100%,20rem),1fr))}
.hero{background:var(--card);border:1px solid var(--line);border-left:6px solid;border-radius:12px;padding:1rem 1.2rem}
.hero.bad{border-left-color:var(--dangling)}.hero.good{border-left-color:var(--alive)}
.hero h2{margin:0;font-size:1rem;color:var(--soft);font-weight:600}.hero p{margin:.2rem 0 0}
.hero .number{font-size:2.9rem;font-weight:800;line-height:1.1;letter-spacing:-.02em}
.hero .number span{display:block;font-size:1rem;font-weight:600;letter-spacing:0;line-height:1.4}
.hero.bad .number{color:var(--dangling)}.hero.good .number{color:var(--alive)}
.note{max-width:52rem;margin:.1rem 0 .8rem;color:var(--soft);font-size:.94rem}
.note i{display:inline-block;width:.8em;height:.8em;border-radius:2px;margin:0 .35em 0 .7em}
.note i:first-child{margin-left:0}
i.alive,b.answered{background:var(--alive)}i.dangling{background:var(--dangling)}
i.refused,b.refused{background:var(--refused)}i.failed,b.failed{background:var(--failed)}
.panels{display:grid;gap:.9rem;grid-template-columns:repeat(auto-fill,minmax(min(100%,21rem),1fr))}
figure{margin:0;padding:.8rem .85rem .5rem;background:var(--card);border:1px solid var(--line);border-radius:12px}
figcaption{display:flex;gap:.6rem;justify-content:space-between;align-items:baseline;margin:0 .1rem .2rem}
figcaption strong{font-size:1.05rem}figcaption span{color:var(--soft);font-size:.86rem;display:block;line-height:1.3}
figcaption em{font-style:normal;font-weight:700;font-size:1.15rem;white-space:nowrap;text-align:right}
em.bad{color:var(--dangling)}em.good{color:var(--alive)}
figcaption small{display:block;font-weight:400;font-size:.72rem;color:var(--soft)}
svg{display:block;width:100%;height:auto}
.wide{overflow-x:auto;padding:.9rem}
.board{width:100%;border-collapse:collapse;font-variant-numeric:tabular-nums;margin-top:.6rem}
.board th,.board td{padding:.55rem .7rem;border-bottom:1px solid var(--line);text-align:right;vertical-align:middle}
.board thead th{font-size:.8rem;font-weight:600;color:var(--soft);vertical-align:bottom;line-height:1.25}
.board th:first-child{text-align:left;padding-left:0}.board tbody th{font-weight:700;white-space:nowrap}
.board td{white-space:nowrap}.board td small{display:block;color:var(--soft);font-size:.74rem;line-height:1.2}
.board .bar{display:flex;width:8rem;height:.85rem;border-radius:4px;overflow:hidden;background:var(--line)}
.board .bar b{display:block;height:100%}
td.bad{color:var(--dangling);font-weight:700}td.good{color:var(--alive);font-weight:700}
dl{max-width:52rem;margin:0}dt{font-weight:600;margin-top:.8rem}dd{margin:0;color:var(--soft)}
@media (max-width:700px){
main{padding-top:1.5rem}
.board thead{display:none}.board,.board tbody{display:block}
.board tr{display:grid;grid-template-columns:repeat(3,1fr);gap:.45rem .8rem;background:var(--card);
border:1px solid var(--line);border-radius:12px;padding:.8rem .95rem;margin:0 0 .7rem}
.board th,.board td{border:0;padding:0;display:block;text-align:left;white-space:normal}
.board tbody th,.board td.share{grid-column:1/-1;font-size:1.05rem}.board .bar{width:100%}
.board td::before{content:attr(data-name);display:block;color:var(--soft);font-weight:400;font-size:.76rem;
line-height:1.2}
.board td.share::before{display:none}
.panels svg text{font-size:14px}.panels svg .cell-name{font-size:12px}
.wide svg{min-width:34rem}
}
@media print{body{background:#fff}figure{break-inside:avoid}}
""".replace("FONT", _FONT)

PAGE_STYLE: Final = (
    f":root{{color-scheme:light dark;{_variables(_DAY)}}}"
    f"@media (prefers-color-scheme:dark){{:root{{{_variables(_NIGHT)}}}}}"
    f"{_PAGE}{marks(prefix='svg ')}"
)
