import os
import tempfile

with tempfile.NamedTemporaryFile("w", dir=".", delete=False) as file:
    file.write("value")
    file.flush()
    os.fsync(file.fileno())
os.replace(file.name, "target")
with tempfile.NamedTemporaryFile(dir=".") as file:
    file.write(b"thrown away")
