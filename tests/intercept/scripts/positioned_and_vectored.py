import os

descriptor = os.open("file", os.O_RDWR | os.O_CREAT)
os.pwrite(descriptor, b"late", 10_000)
os.writev(descriptor, [b"one", b"two", b"", b"three"])
os.pwritev(descriptor, [b"four", b"five"], 20)
os.lseek(descriptor, 100, os.SEEK_SET)
os.write(descriptor, b"there")
os.lseek(descriptor, 0, os.SEEK_END)
os.write(descriptor, b"end")
os.close(descriptor)
