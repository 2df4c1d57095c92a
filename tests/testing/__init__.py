"""What tests build with: repositories, projects, and servers that behave or do not."""
