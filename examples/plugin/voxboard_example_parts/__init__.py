"""A part of every kind for voxboard."""
