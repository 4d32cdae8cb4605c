"""The paper's method: journeys as text of six-character cell codes, written by GPT-2 (arXiv 2407.11081)."""
