"""Benchmarks: each prints a ratio against a limit or against a peer measured in the same run."""
