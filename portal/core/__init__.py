"""What everything stands on: the clock, the database, dates, languages, addresses, settings."""
