"""Import the company's accounts: read and check a file, merge rows of one address, store in index order."""
