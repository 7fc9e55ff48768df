"""The parts of a pasted test that are the same in all of them; `harness.pasted` joins them."""
