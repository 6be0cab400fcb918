"""Append-only, hash-chained log of what commands and jobs did."""
