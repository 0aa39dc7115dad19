"""More than one machine, by Ray. Nothing is in this room yet."""
