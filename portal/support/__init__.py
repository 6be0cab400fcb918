"""What support needs to find out for a caller, until there is a console."""
