"""`portal doctor`: checks of the configuration, and of what a running portal needs."""
