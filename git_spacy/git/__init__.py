"""The only room that starts git or imports dulwich."""
