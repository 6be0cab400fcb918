"""The store `sql`: the company's own table of accounts, whose schema is never altered."""
