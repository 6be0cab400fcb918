"""Notices as they are drafted and changed in the console."""
