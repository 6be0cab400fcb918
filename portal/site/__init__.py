"""Pages of the site itself: language, theme, health, and well-known addresses."""
