"""The chat that the tutorial ends with: rooms by path, names, JSON messages and a page."""
