"""Back-ends of the store, one file each; `port.open_port` finds them here by their `PROTOCOLS`."""
