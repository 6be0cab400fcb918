"""Kinds of personal data, and what to do about each."""
