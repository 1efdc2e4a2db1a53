"""A backbone, a pooler, a head, a tracker and a diarizer for voxboard."""
