"""Check authors' texts before anybody reads them: pure functions that return findings, and never raise."""
