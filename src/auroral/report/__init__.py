"""Views of stored results: pure functions that return text, HTML or terminal renderables."""
