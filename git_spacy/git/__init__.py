"""Everything that starts git or imports dulwich lives here."""
