"""Pieces of a page: every word that is put in is escaped, so that no tag of a scanner becomes markup."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

STYLE = """
:root{color-scheme:light}
body{margin:0 auto;max-width:1060px;padding:28px 24px 60px;font:15px/1.5 system-ui,sans-serif;color:#212936;
background:#fff}
h1{font-size:27px;margin:0 0 4px}h2{font-size:20px;margin:38px 0 8px;border-bottom:2px solid #d3e6f1}
h3{font-size:16px;margin:22px 0 6px}p{margin:6px 0 10px}.faint{color:#5b6675}
table{border-collapse:collapse;margin:8px 0 14px;font-variant-numeric:tabular-nums}
caption{text-align:left;color:#5b6675;padding:2px 0 5px}
th,td{padding:4px 14px 4px 0;text-align:left;vertical-align:top;border-bottom:1px solid #dfe4ea}
th{font-weight:600}.box{background:#fdf1e7;border-left:5px solid #b3470f;padding:8px 16px;margin:14px 0}
.cards{display:flex;flex-wrap:wrap;gap:12px;margin:16px 0}
.card{border:1px solid #dfe4ea;border-radius:6px;padding:10px 16px;min-width:150px}
.card b{display:block;font-size:25px;line-height:1.3}code{font:13px ui-monospace,monospace;
overflow-wrap:anywhere}
.wide{overflow-x:auto}.sign td{height:38px;min-width:210px}
@media print{body{padding:0;max-width:none}h2{break-after:avoid}tr,svg,.box{break-inside:avoid}}
"""


def page(title: str, body: Iterable[str]) -> str:
    """A whole page that needs nothing beside it, and may fetch nothing."""
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    head = (
        f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{policy}">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style>"
    )
    inside = f"<head>{head}</head>\n<body><main>{''.join(body)}</main></body>"
    return f'<!doctype html>\n<html lang="en">{inside}</html>\n'


def heading(words: str, level: int = 2) -> str:
    """A heading."""
    return f"\n<h{level}>{escape(words)}</h{level}>"


def paragraph(words: str, kind: str = "") -> str:
    """A paragraph; nothing for no words."""
    return f"<p{_kind(kind)}>{escape(words)}</p>" if words else ""


def listed(items: Sequence[str], kind: str = "") -> str:
    """A list; nothing for an empty one."""
    lines = "".join(f"<li>{escape(item)}</li>" for item in items)
    return f"<div{_kind(kind)}><ul>{lines}</ul></div>" if items else ""


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose rows are headed by their first cell; nothing for none."""
    body = "".join(_row(row) for row in rows)
    if not body:
        return ""
    top = "".join(f'<th scope="col">{escape(cell)}</th>' if cell else "<td></td>" for cell in head)
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{escape(caption)}"><table>'
        f"<caption>{escape(caption)}</caption>"
        f"<thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def cards(figures: Iterable[tuple[str, str, str]]) -> str:
    """Large figures: what it is, its value, what is beside it."""
    return f'<div class="cards">{"".join(_card(*map(escape, figure)) for figure in figures)}</div>'


def signing(roles: Sequence[str]) -> str:
    """Room for people to sign on paper."""
    rows = "".join(f'<tr><th scope="row">{escape(role)}</th><td></td><td></td></tr>' for role in roles)
    head = "".join(f'<th scope="col">{name}</th>' for name in ("accepted by", "name", "date, signature"))
    table = f'<table class="sign"><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>'
    return f'<div class="wide" tabindex="0" role="region" aria-label="to be signed">{table}</div>'


def _card(name: str, value: str, beside: str) -> str:
    return f'<div class="card">{name}<b>{value}</b><span class="faint">{beside}</span></div>'


def _row(cells: Sequence[str]) -> str:
    first, *others = cells
    rest = "".join(f"<td>{escape(cell)}</td>" for cell in others)
    return f'<tr><th scope="row">{escape(first)}</th>{rest}</tr>'


def _kind(kind: str) -> str:
    return f' class="{kind}"' if kind else ""
