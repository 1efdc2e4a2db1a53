"""Data of pictures and titles that boards and plots share, before either draws them."""
