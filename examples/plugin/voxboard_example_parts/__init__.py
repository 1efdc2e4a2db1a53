"""A backbone, a pooler and a head for voxboard."""
