"""Run records in Git notes, and what they tell about a commit and its project.lock."""
