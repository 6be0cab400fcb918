"""The constant peer, for the server to load."""

from bench.peers import constant

app = constant()
