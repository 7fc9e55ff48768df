import os
import shutil
import tempfile

descriptor, name = tempfile.mkstemp()
os.write(descriptor, b"x" * 10_000)
os.close(descriptor)
with open("target", "w") as file:
    file.write("old")
try:
    os.rename(name, "target")
except OSError as error:
    print(error.errno)
shutil.move(name, "target")
