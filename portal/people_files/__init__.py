"""Reading files of people: format, header, rows, report, progress, sort, what the commands share."""
