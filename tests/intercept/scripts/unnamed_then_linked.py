import os

descriptor = os.open(".", os.O_TMPFILE | os.O_WRONLY, 0o600)
os.write(descriptor, b"complete")
os.fsync(descriptor)
directory = os.open(".", os.O_RDONLY)
os.link(f"/proc/self/fd/{descriptor}", "named", dst_dir_fd=directory)
os.fsync(directory)
os.close(directory)
os.close(descriptor)
