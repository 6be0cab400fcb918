"""What the worker tells the web process about a new password in a company's own store."""

from portal.reset.rejections import CLOSED_PASSWORD, OLD_PASSWORD, STORES_RULES

NEW, CHANGE = "new-password", "change-password"
# Beside what the transport itself says (portal/identity/sealed/jobs.py).
CHANGED, REFUSED, UNKNOWN = "changed", "refused", "unknown"
GONE, UNDER_WAY, WRONG = "gone", "under way", "wrong"
GUESSED = "guessed"  # why GONE: the current password was wrong too often
FACTOR_MISSING = "factor missing"
# Why a password was refused, by the code that the worker sends.
REJECTIONS = {each.code: each for each in (OLD_PASSWORD, CLOSED_PASSWORD, STORES_RULES)}
