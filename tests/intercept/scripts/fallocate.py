import os

descriptor = os.open("file", os.O_RDWR | os.O_CREAT)
os.posix_fallocate(descriptor, 0, 10_000)
os.pwrite(descriptor, b"x", 50)
os.posix_fallocate(descriptor, 100, 20)
os.posix_fallocate(descriptor, 9000, 5000)
os.close(descriptor)
