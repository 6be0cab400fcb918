"""Times become days in rows that are told apart by nothing else; every row stays."""

from datetime import datetime, timedelta

from tests.migrations.rows import Rows, at


def carry(rows: Rows) -> None:
    for cap in rows.get("intake_caps", []):
        cap["ends_at"] = day(cap["ends_at"]) + timedelta(days=1)
    for request in rows.get("intake_requests", []):
        if request["state"] == "held":
            request["asked_at"] = day(request["asked_at"])
    for choice in rows.get("rotation_choices", []):
        choice["counted_from"] = day(choice["counted_from"])
        choice["next_due_at"] = choice["next_due_at"] and day(choice["next_due_at"])
    since = [job["started_at"] for job in rows.get("reset_requirements", [])]
    for account in rows.get("identity_accounts", []):
        account["password_changed_at"] = account["password_changed_at"] and day(
            account["password_changed_at"]
        )
        chosen = account["chosen_by_mail_at"]
        if chosen:
            account["chosen_by_mail_at"] = max([day(chosen), *(one for one in since if one <= chosen)])


def write(rows: Rows) -> None:
    rows["identity_accounts"][0]["chosen_by_mail_at"] = at(25)


def day(time: datetime) -> datetime:
    return time.replace(hour=0, minute=0, second=0, microsecond=0)
