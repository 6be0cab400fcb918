"""Reminders to change a password: a person's choice, never a duty."""
