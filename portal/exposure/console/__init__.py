"""The console's pages about lists: versions, files on their way, people to leave out."""
