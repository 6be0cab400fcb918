"""WSGI module of the peer with a constant response."""

from bench.peers import constant

app = constant()
