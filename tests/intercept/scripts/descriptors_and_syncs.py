import os

descriptor = os.open("file", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
os.write(descriptor, b"hello")
os.fsync(descriptor)
os.write(descriptor, b" world")
os.fdatasync(descriptor)
os.close(descriptor)
directory = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
os.fsync(directory)
os.close(directory)
os.sync()
