"""The project's definition: project.yml, parsed and validated into immutable values."""
