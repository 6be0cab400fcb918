"""Require new passwords of everyone whose password a list exposes, or of all accounts; resumable."""
