"""The mailed link that a page was opened with, and the second factor that it needs beside it."""
