"""What a list of NetBox 4 answers to a query: filters, paging, chosen fields. Pure.

Seen in NetBox 4's own source: a filter's unknown choice is status 400, an unknown parameter is ignored, `tag` twice
means both, `site` twice means either, limit 0 means the largest page, `next` carries limit and offset.
"""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from lab.netbox.data import Row, Tables

PAGE, MAX_PAGE = 50, 1_000  # PAGINATE_COUNT and MAX_PAGE_SIZE as NetBox ships them
_PAGING = {"limit", "offset", "fields", "omit", "brief", "ordering"}

Query = Mapping[str, list[str]]
Match = Callable[[Row, list[str]], bool]


def _slug_of(key: str) -> Match:
    return lambda row, wanted: isinstance(row.get(key), dict) and row[key].get("slug") in wanted


def _all_tags(row: Row, wanted: list[str]) -> bool:
    return set(wanted) <= {tag["slug"] for tag in row["tags"]}


def _value_of(key: str) -> Match:
    return lambda row, wanted: isinstance(row.get(key), dict) and row[key].get("value") in wanted


def _pk(text: str) -> int:
    return int(text) if text.isdecimal() else 0


def _text(key: str) -> Match:
    return lambda row, wanted: row.get(key) in wanted


def _device_id(row: Row, wanted: list[str]) -> bool:
    return str(row["device"]["id"]) in wanted


def _cabled(row: Row, wanted: list[str]) -> bool:
    return (row["cable"] is not None) == (wanted[-1].lower() == "true")


_COMMON: dict[str, Match] = {"tag": _all_tags}
FILTERS: dict[str, dict[str, Match]] = {
    "dcim/sites": {"slug": _text("slug"), "name": _text("name"), "status": _value_of("status")},
    "dcim/devices": {
        "site": _slug_of("site"),
        "role": _slug_of("role"),
        "platform": _slug_of("platform"),
        "status": _value_of("status"),
        "name": _text("name"),
    },
    "dcim/interfaces": {"device_id": _device_id, "cabled": _cabled, "name": _text("name")},
    "dcim/cables": {"status": lambda row, wanted: row["status"]["value"] in wanted},
}
_CHOICES = {
    "site": "dcim/sites",
    "role": "dcim/device-roles",
    "platform": "dcim/platforms",
    "tag": "extras/tags",
}


def refusal(tables: Tables, query: Query) -> dict[str, list[str]]:
    """The body of status 400: which filter values do not exist. Empty: none."""
    found: dict[str, list[str]] = {}
    for key, endpoint in _CHOICES.items():
        known = {str(row["slug"]) for row in tables.rows[endpoint].values()}
        wrong = [value for value in query.get(key, []) if value not in known]
        if wrong:
            found[key] = [f"Select a valid choice. {wrong[0]} is not one of the available choices."]
    return found


def chosen(tables: Tables, endpoint: str, query: Query) -> list[Row]:
    """The rows that pass every filter of the query, by id. Parameters that the endpoint does not know are ignored."""
    known = {**_COMMON, **FILTERS.get(endpoint, {})}
    asked = [(known[key], values) for key, values in query.items() if key in known and key not in _PAGING]
    table = tables.rows[endpoint]
    # By the index, as a database does it.
    some = table.values() if "id" not in query else [table[pk] for pk in map(_pk, set(query["id"])) if pk in table]
    rows = [row for row in some if all(match(row, values) for match, values in asked)]
    if endpoint == "dcim/cables" and "site" in query:
        rows = [row for row in rows if _sites_of(tables, row) & set(query["site"])]
    return sorted(rows, key=lambda row: int(row["id"]))


def _sites_of(tables: Tables, cable: Row) -> set[str]:
    devices = tables.rows["dcim/devices"]
    ends = [end for side in ("a_terminations", "b_terminations") for end in cable[side]]
    ids = [end["object"]["device"]["id"] for end in ends if isinstance(end["object"].get("device"), dict)]
    return {devices[pk]["site"]["slug"] for pk in ids if pk in devices}


def page(rows: list[Row], query: Query, *, base: str, path: str) -> dict[str, Any]:
    """One page of a list: count, next, previous, results."""
    limit, offset = _number(query, "limit", PAGE), _number(query, "offset", 0)
    limit = MAX_PAGE if limit == 0 else min(limit, MAX_PAGE)

    def link(at: int) -> str:
        rest = [(k, v) for k, values in query.items() if k not in {"limit", "offset"} for v in values]
        return f"{base}{path}?{urlencode([*rest, ('limit', limit), ('offset', at)])}"

    return {
        "count": len(rows),
        "next": link(offset + limit) if offset + limit < len(rows) else None,
        "previous": link(max(offset - limit, 0)) if offset else None,
        "results": [_shown(row, query, base) for row in rows[offset : offset + limit]],
    }


def _number(query: Query, key: str, default: int) -> int:
    text = query.get(key, [""])[-1]
    return int(text) if text.isdigit() else default


def _shown(row: Row, query: Query, base: str) -> Row:
    """The row with whole addresses, and only the fields that were asked for."""
    row = {**row, "url": base + row["url"], "display_url": base + row["display_url"]}
    if "brief" in query:
        return {key: row[key] for key in ("id", "url", "display", "name", "slug") if key in row}
    if wanted := query.get("fields", [""])[-1]:
        return {key: value for key, value in row.items() if key in wanted.split(",")}
    return row
