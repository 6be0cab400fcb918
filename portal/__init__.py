"""A portal for the time after a data breach: apology, timeline, check, new password, reminders, updates."""
