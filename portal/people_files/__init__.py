"""Read CSV files of people: format, header, rows, report of rejected rows, progress bars, external sort."""
