"""What `scripts/bench` measures: a module for each room of cases, a contest, and a report."""
