"""A backbone, a pooler, a head and a task for voxboard."""
