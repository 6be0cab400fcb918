"""Notices to everyone affected: one neutral mail per stored address, once."""
