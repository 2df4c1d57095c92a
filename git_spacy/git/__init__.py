"""Git access: the only package that starts git or imports dulwich."""
