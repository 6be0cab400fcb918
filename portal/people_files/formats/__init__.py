"""The formats of files of people: delimited text of any encoding, workbooks, gzip."""
