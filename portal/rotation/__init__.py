"""Reminders to change a password, for people who choose them."""
