"""Former notices are the first, second … of their incident, with one wave, a lane, and a ledger."""

from collections import Counter

from tests.migrations.rows import EVERY_BYTE, Rows, at

NORTHWIND = b"incident north \0"


def carry(rows: Rows) -> None:
    former = sorted(rows.pop("campaigns", []), key=lambda row: (row["begun_at"], row["id"]))
    lanes: dict[bytes, int] = {}
    numbers = Counter[bytes]()
    for row in former:
        numbers[row["incident_id"]] += 1
        lanes[row["id"]] = 100 + len(lanes)
        rows.setdefault("notices", []).append(_notice(row, numbers[row["incident_id"]], lanes[row["id"]]))
        rows.setdefault("notice_waves", []).append(_wave(row))
        lane = {"number": lanes[row["id"]], "batch": row["id"], "held": False}
        rows.setdefault("outbox_lanes", []).append(lane)
    counted = Counter[tuple[bytes, str]]()
    for mail in rows.get("outbox_mails", []):
        mail["counted"] = None
        if mail["batch"] in lanes:
            mail |= {"counted": mail["state"], "priority": lanes[mail["batch"]]}
            counted[mail["batch"], mail["state"]] += 1
    for moved in rows.get("outbox_counts", []):
        if moved["batch"] in lanes:
            counted[moved["batch"], moved["state"]] += moved["number"]
    for (batch, state), number in counted.items():
        entry = {"batch": batch, "wave": 0, "state": state, "slot": 0, "number": number}
        rows.setdefault("outbox_ledger", []).append(entry)


def _notice(row: dict, number: int, lane: int) -> dict:
    return {
        "id": row["id"],
        "incident_id": row["incident_id"],
        "number": number,
        "kind": "first",
        "list_id": row["list_id"],
        "state": "ended" if row["ended_at"] else "running",
        "hold": None,
        "format": 0,
        "drafted_at": row["begun_at"],
        "begun_at": row["begun_at"],
        "ended_at": row["ended_at"],
        "addresses": row["addresses"],
        "expected": row["addresses"],
        "written": row["written"],
        "earlier": row["earlier"],
        "left_out": row["left_out"],
        "outside": 0,
        "audience": "",
        "per_hour": None,
        "next_at": None,
        "frozen": row["frozen"],
        "lane": lane,
        "row_mac": row["voucher"],
    }


def _wave(row: dict) -> dict:
    return {
        "notice_id": row["id"],
        "number": 1,
        "worst": 5,
        "least": 0,
        "limit": None,
        "not_before": None,
        "expected": row["addresses"],
        "state": "done" if row["ended_at"] else "running",
        "cursor": row["last_key"],
        "written": row["written"],
        "begun_at": row["begun_at"],
        "ended_at": row["ended_at"],
    }


def write(rows: Rows) -> None:
    draft = {
        "id": b"notice of a seri",
        "incident_id": NORTHWIND,
        "number": 90,
        "kind": "supplementary",
        "list_id": 43,
        "state": "draft",
        "hold": "pause",
        "format": 1,
        "drafted_at": at(26),
        "begun_at": None,
        "ended_at": None,
        "addresses": 5,
        "expected": 3,
        "written": 0,
        "earlier": 0,
        "left_out": 0,
        "outside": 2,
        "audience": '{"base": "new", "classes": [], "languages": [], "offered": [], "since": 1}',
        "per_hour": 1_000,
        "next_at": at(26, 1),
        "frozen": True,
        "lane": None,
        "row_mac": EVERY_BYTE[:32],
    }
    rows["notices"].append(draft)
    wave = {
        "notice_id": draft["id"],
        "number": 1,
        "worst": 5,
        "least": 4,
        "limit": 500,
        "not_before": at(27),
        "expected": 3,
        "state": "waiting",
        "cursor": b"",
        "written": 0,
        "begun_at": None,
        "ended_at": None,
    }
    rows["notice_waves"] += [wave, wave | {"number": 2, "worst": 3, "least": 0, "begun_at": at(27)}]
    rows["outbox_lanes"].append({"number": 200, "batch": b"notice of a seri", "held": True})
    entry = {"batch": b"notice of a seri", "wave": 2, "state": "queued", "slot": 15, "number": -1}
    rows["outbox_ledger"] += [entry, entry | {"state": "sent", "number": 1_000_000}]
