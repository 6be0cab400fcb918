"""The foundation of every other package: clock, database, dates, languages, addresses, settings."""
