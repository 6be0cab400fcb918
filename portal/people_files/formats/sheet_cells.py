"""How the process that reads workbooks passes on cells that are no text."""

# A private character, which no text needs, before a date, and before a number that the spreadsheet rounded.
DATE = "\ue001"
ROUNDED = "\ue002"
# What an error cell becomes, whatever the error.
ERROR = "#N/A"
# The memory of that process. A workbook that needs more is refused.
MAX_MEMORY = 2 << 30
