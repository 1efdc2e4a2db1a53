"""Decoding: frames to texts."""
