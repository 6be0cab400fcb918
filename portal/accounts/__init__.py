"""Customers' sign-in, their sessions, and the account page."""
