"""WSGI module of the peer with a bare form."""

from bench.peers import form

app = form()
