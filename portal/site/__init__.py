"""Pages of the site itself: language, health, and well-known addresses."""
