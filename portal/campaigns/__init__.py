"""Notices to everyone affected: one mail per stored address, once."""
