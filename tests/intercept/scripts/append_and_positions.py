import os

descriptor = os.open("file", os.O_RDWR | os.O_CREAT | os.O_APPEND)
os.write(descriptor, b"0123456789")
os.lseek(descriptor, 2, os.SEEK_SET)
os.write(descriptor, b"appended")
os.pwrite(descriptor, b"appended too: Linux ignores the offset", 3)
os.writev(descriptor, [b"and", b"this"])
os.close(descriptor)
