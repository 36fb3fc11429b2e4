"""What ``import artsim`` offers: one function for each task, and the index as an object."""
