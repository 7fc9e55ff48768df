import os
import tempfile

descriptor, name = tempfile.mkstemp(prefix=".settings-", suffix=".tmp", dir=".")
with os.fdopen(descriptor, "w") as file:
    file.write("content")
    file.flush()
    os.fsync(file.fileno())
os.chmod(name, 0o644)
os.rename(name, "settings")
