"""Sealed requests from public forms, answered by the worker."""
