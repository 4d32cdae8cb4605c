"""How fast, how it grows, and what it survives: journeys a second, memory, workers that are killed."""
