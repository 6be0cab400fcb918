"""Benchmarks: each prints a ratio against a limit, or against a peer that is measured in the same run."""
