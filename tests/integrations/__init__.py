"""The templates of the integrations, cloned and run with the real libraries."""
