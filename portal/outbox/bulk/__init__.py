"""Mails to many at once."""
