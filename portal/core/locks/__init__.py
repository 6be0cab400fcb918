"""Locks that hold across processes."""
