import os
import tempfile

with tempfile.TemporaryDirectory(dir=".") as name:
    with open(os.path.join(name, "inside"), "w") as file:
        file.write("x")
    os.mkdir(os.path.join(name, "below"))
with tempfile.TemporaryFile(dir=".") as file:
    file.write(b"never named")
with tempfile.SpooledTemporaryFile(max_size=10, dir=".") as spool:
    spool.write(b"short")
    spool.write(b"longer than ten")
