"""What if: questions about profit asked of a simulated store.

This floor compares layouts (paired replications of the same shoppers), writes the answer to a run
folder, turns that folder into a report, and holds the command line. Nothing below may need it.
"""

__all__: list[str] = []
