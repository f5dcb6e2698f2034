"""Side-by-side runs: ours, what a user would pick instead, and the floor that no code can go below, in one run on one machine."""
