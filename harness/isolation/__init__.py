"""Concurrent writers: every order of small races, judged, crashes and failing calls included."""
