"""The store `http`: the company answers five documented endpoints, and keeps its accounts to itself.

`docs/identity-store.openapi.yaml` describes them; `examples/identity_store.py` implements them.
"""
