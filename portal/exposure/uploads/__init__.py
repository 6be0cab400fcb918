"""Upload a file of people through the console: sealed as it streams, then read and imported by the worker."""
