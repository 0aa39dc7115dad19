"""Models that the peer, mostlyai-engine, trained: imported, and used as they are."""
