"""The bare form, for the server to load."""

from bench.peers import form

app = form()
