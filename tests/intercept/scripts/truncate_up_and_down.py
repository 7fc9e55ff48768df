import os

with open("file", "w+b") as file:
    file.write(b"x" * 10_000)
    file.truncate(5000)
    file.truncate(20_000)
    file.seek(0)
    file.truncate()
os.truncate("file", 300)
descriptor = os.open("file", os.O_RDWR)
os.ftruncate(descriptor, 0)
os.close(descriptor)
