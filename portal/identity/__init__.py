"""The company's user store: the port, and one file per adapter."""
