"""Plain records to text, in one place."""
