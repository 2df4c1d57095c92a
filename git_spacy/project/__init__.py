"""What is wanted: project.yml read into frozen values. Touches no file but the one it is given."""
